"""Which addresses belong to the public internet, and connections to these only.

Invariant: an address is checked before it is connected to, and the one that was checked is the one
that is used. So a name cannot change its address in between, and open and closed private ports look
the same. The tables are IANA's special-purpose registries for IPv4 and IPv6, and the metadata
services of clouds. They are written out, because those of Python differ between its releases.
"""

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from urllib3.exceptions import HTTPError

from scripts.errors import ConfigurationError

_SPECIAL_V4 = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared by carriers, and Alibaba's metadata service
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's metadata service
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",  # also Oracle's metadata service
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",  # multicast and reserved
        ),
    )
)
_UNICAST_V6 = ip_network("2000::/3")  # what else there is, is not routed
_SPECIAL_V6 = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
# Networks whose addresses contain one of IPv4, and the number of bits to its right.
_EMBEDDING = (
    (ip_network("::/96"), 0),  # compatible
    (ip_network("::ffff:0:0/96"), 0),  # mapped
    (ip_network("64:ff9b::/96"), 0),  # NAT64
    (ip_network("2002::/16"), 80),  # 6to4
)
_TEREDO = ip_network("2001::/32")
_PRIVATE = (
    "its host is {}, which is not a public address. If that is intended, set "
    "PIPELINE_ALLOW_PRIVATE_API=true in the environment"
)
_PRIVATE_PROXY = (
    "the environment sends it through a proxy with a private address, and the guard cannot look "
    "behind it. Name the API in NO_PROXY, or set PIPELINE_ALLOW_PRIVATE_API=true if the proxy "
    "itself refuses private addresses"
)


def is_public(address: str) -> bool:
    """Return whether an IP address, and each one inside of it, belongs to the public internet."""
    ip = ip_address(address.partition("%")[0])  # without the zone of a link-local one
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _SPECIAL_V4)
    inner = _embedded(ip)
    if inner:
        return all(is_public(str(one)) for one in inner)
    return ip in _UNICAST_V6 and not any(ip in network for network in _SPECIAL_V6)


def _embedded(ip: IPv6Address) -> list[IPv4Address]:
    """Return the addresses of IPv4 to which an address of IPv6 leads."""
    if ip in _TEREDO:  # its server, and its client with inverted bits
        return [IPv4Address(int(ip) >> 64 & 0xFFFFFFFF), IPv4Address(~int(ip) & 0xFFFFFFFF)]
    return [IPv4Address(int(ip) >> bits & 0xFFFFFFFF) for net, bits in _EMBEDDING if ip in net]


def guarded(connection_class: type[Any]) -> type[Any]:
    """Return a connection class of urllib3 that connects to public addresses only.

    Its connections raise ConfigurationError if the host has an address that is not public.
    """

    class Guarded(connection_class):  # type: ignore[misc]  # known at run time only
        _dns_host: str

        def _new_conn(self) -> socket.socket:
            name = self._dns_host
            addresses = _addresses(name, self.port)
            _refuse_private(addresses, self.proxy)
            problem: Exception = OSError("no address")
            for address in addresses or [name]:  # unresolved: urllib3 asks again and says why
                self._dns_host = address  # for this connection only: TLS uses the name
                try:
                    return self._checked(super()._new_conn())
                except (HTTPError, OSError) as error:  # the next address may answer
                    problem = error
                finally:
                    self._dns_host = name
            raise problem

        def _checked(self, sock: socket.socket) -> socket.socket:
            try:
                _refuse_private([sock.getpeername()[0]], self.proxy)
            except ConfigurationError:
                sock.close()
                raise
            return sock

    return Guarded


def _refuse_private(addresses: Iterable[str], proxy: object) -> None:
    for address in addresses:
        if not is_public(address):
            raise ConfigurationError(_PRIVATE_PROXY if proxy else _PRIVATE.format(address))


def _addresses(host: str, port: int) -> list[str]:
    """Return the addresses of a host, or none if its name is not valid or cannot be resolved."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(answer[4][0]) for answer in found))
