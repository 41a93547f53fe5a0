"""Whom the API's client may talk to. Invariant: no byte is sent to a private address unasked.

Whoever may set the API's address could otherwise make the pipeline fetch what only this machine or
its network can reach, such as a cloud's credentials. The address that was really connected to is
checked, not the name: a name can resolve to another address the next moment.
"""

import socket
from ipaddress import IPv6Address, ip_address
from typing import Any

from scripts.errors import RefusedError


def guarded(connection_class: type[Any]) -> type[Any]:
    """Return a connection class that hangs up on a private address before anything is sent."""

    class Guarded(connection_class):  # type: ignore[misc]  # known at run time only
        def _new_conn(self) -> socket.socket:
            sock: socket.socket = super()._new_conn()
            address = sock.getpeername()[0]
            if not is_public(address):
                sock.close()
                raise RefusedError(
                    f"its host is {address}, which is no public address; if that is meant, set "
                    "PIPELINE_ALLOW_PRIVATE_API=true in the environment"
                )
            return sock

    return Guarded


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet."""
    ip = ip_address(address.partition("%")[0])  # without the zone of a link-local one
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast
