"""TLS in front of a server that has none. Invariant: the client's library decides whom it trusts.

The PostgreSQL of the tests is built without TLS. So a proxy answers the client's request for TLS as
a server does, and passes on what it decrypts.
"""

import asyncio
import ssl
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_REQUEST_BYTES = 8  # PostgreSQL's SSLRequest
_BLOCK_BYTES = 64 * 1024


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Return the files of a self-signed certificate of a host, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{host}.pem", folder / f"{host}.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@contextmanager
def tls_in_front_of(port: int, files: tuple[Path, Path]) -> Iterator[int]:
    """Yield the port of a proxy that speaks TLS with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    context.set_alpn_protocols(["postgresql"])

    stop, found = asyncio.Event(), Future[tuple[int, asyncio.AbstractEventLoop]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):  # the client does not trust us
            await reader.readexactly(_REQUEST_BYTES)
            writer.write(b"S")
            await writer.start_tls(context)
            of_server, to_server = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pass_on(reader, to_server), _pass_on(of_server, writer))
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        found.set_result((server.sockets[0].getsockname()[1], asyncio.get_running_loop()))
        await stop.wait()
        server.close()

    thread = Thread(target=asyncio.run, args=(run(),))
    thread.start()
    at, loop = found.result()
    try:
        yield at
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(_BLOCK_BYTES):
            writer.write(block)
            await writer.drain()
    finally:
        writer.close()
