"""Join objects inside the store. Invariant: the whole appears at once, or not at all.

S3 copies ranges of objects into the parts of a multipart upload. Each of them must have at least
5 MiB, except the last. So what is smaller is read, joined in memory and sent.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from scripts.errors import PipelineError
from scripts.killpoints import reach
from scripts.landing.store import ObjectHead, Store

LEAST_BYTES = 5 * 1024**2
MOST_BYTES = 5 * 1024**3


class Slice(NamedTuple):
    """The bytes [start, end) of one of the objects."""

    of: int
    start: int
    end: int


@dataclass(frozen=True)
class Piece:
    """One part of the upload: a slice that S3 copies, or several that are sent joined."""

    slices: tuple[Slice, ...]
    is_copied: bool


class Upload:
    """An object that is put in parts. It appears when it is complete."""

    def __init__(self, store: Store, key: str, upload_id: str) -> None:
        self._store = store
        self._place: Any = {"Bucket": store.bucket, "Key": key, "UploadId": upload_id}
        self._parts: list[Any] = []

    def send(self, number: int, body: bytes) -> None:
        """Send the bytes of a part."""
        with self._request("send a part of"):
            answer = self._store.client.upload_part(**self._place, PartNumber=number, Body=body)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    def copy(self, number: int, head: ObjectHead, start: int, end: int) -> None:
        """Let the store copy the bytes [start, end) of one version of an object."""
        source: Any = {"Bucket": self._store.bucket, "Key": head.info.key}
        if head.version_id:
            source["VersionId"] = head.version_id
        with self._request("copy a part of"):
            answer = self._store.client.upload_part_copy(
                **self._place,
                PartNumber=number,
                CopySource=source,
                CopySourceIfMatch=head.info.etag,
                CopySourceRange=f"bytes={start}-{end - 1}",
            )
        self._parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})

    def complete(self) -> str | None:
        """Make the object visible. Return its version id."""
        with self._request("complete an upload of"):
            answer = self._store.client.complete_multipart_upload(
                **self._place, MultipartUpload={"Parts": self._parts}
            )
        return answer.get("VersionId")

    def abort(self) -> None:
        """Forget the parts."""
        with self._request("abort an upload of"):
            self._store.client.abort_multipart_upload(**self._place)

    def _request(self, verb: str) -> AbstractContextManager[None]:
        return self._store.request(verb, self._place["Key"])


def pieces_of(
    sizes: Sequence[int], least: int = LEAST_BYTES, most: int = MOST_BYTES
) -> list[Piece]:
    """Cut objects of these sizes, in bytes, into pieces that S3 accepts, in their order.

    Every piece but the last has from `least` to `most` bytes. A joined one has at most twice
    `least`, as it is held in memory.
    """
    pieces: list[Piece] = []
    small: list[Slice] = []
    for index, size in enumerate(sizes):
        at = 0
        if small:  # fill up what waits
            at = min(size, least - _length(small))
            small.append(Slice(index, 0, at))
            if _length(small) == least:
                pieces.append(Piece(tuple(small), is_copied=False))
                small = []
        while size - at >= least:
            end = size if size - at <= most else min(at + most, size - least)
            pieces.append(Piece((Slice(index, at, end),), is_copied=True))
            at = end
        if size > at:
            small.append(Slice(index, at, size))
    return [*pieces, Piece(tuple(small), is_copied=False)]


def assemble(
    store: Store,
    key: str,
    objects: Sequence[ObjectHead],
    tail: bytes,
    facts: tuple[str, datetime | None, str | None],
) -> str | None:
    """Put the content of these versions of objects, one after the other, and `tail` behind it.

    Args:
        store: the bucket of all of them.
        key: the key of the new object.
        objects: the versions to join.
        tail: bytes behind them.
        facts: the sha256 of the whole and the other facts that `Store.put` takes.

    Returns:
        the version id of the new object.

    Raises:
        UnavailableError: the store did not do it, or a version is gone. Nothing is visible.
    """
    upload = Upload(store, key, store.begin_upload(key, *facts))
    try:
        *pieces, last = pieces_of([one.info.size for one in objects])
        for number, piece in enumerate(pieces, 1):
            if piece.is_copied:
                [part] = piece.slices
                upload.copy(number, objects[part.of], part.start, part.end)
            else:
                upload.send(number, b"".join(_read(store, objects, piece)))
        upload.send(len(pieces) + 1, b"".join([*_read(store, objects, last), tail]))
        reach("ingest.before_complete")
        return upload.complete()
    except PipelineError:
        with suppress(PipelineError):  # the bucket removes what is left of it after some days
            upload.abort()
        raise


def _read(store: Store, objects: Sequence[ObjectHead], piece: Piece) -> Iterator[bytes]:
    for part in piece.slices:
        yield store.read_range(objects[part.of], part.start, part.end)


def _length(slices: Sequence[Slice]) -> int:
    return sum(one.end - one.start for one in slices)
