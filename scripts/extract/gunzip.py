"""Files compressed with gzip, recognised by their first bytes. Invariant: a cut file is refused."""

import zlib
from collections.abc import Iterator

from scripts.errors import InvalidDataError

_MAGIC = b"\x1f\x8b"
_MAX_BLOCK = 1 << 18  # a small block can hold a huge text


def gunzipped(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the blocks, decompressed if they are a gzip file. It can have several members.

    Raises:
        InvalidDataError: the file is damaged, or ends too early.
    """
    head = b""
    for block in blocks:
        head += block
        if len(head) >= len(_MAGIC):
            break
    if head.startswith(_MAGIC):
        yield from _inflated(head, blocks)
    else:
        yield head
        yield from blocks


def _inflated(data: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    try:
        while data or (data := next(blocks, b"")):
            if member.eof:
                member = zlib.decompressobj(wbits=31)
            yield member.decompress(data, _MAX_BLOCK)
            data = member.unconsumed_tail or member.unused_data
    except zlib.error as error:
        raise InvalidDataError(f"expected a gzip file: {error}") from None
    if not member.eof:
        raise InvalidDataError("the gzip file ends too early")
