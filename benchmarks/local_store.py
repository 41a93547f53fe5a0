"""An S3 client over a folder: ``<bucket>/<key>``. Invariant: it is never slower than the disk.

MiniStack is correct but buffers whole bodies, so a benchmark cannot use it. This client has only
the calls that our store makes.
"""

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import ClientError


class LocalObjects:
    """The calls of a boto3 S3 client that `scripts.landing.store.Store` makes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def promise(path: Path, sha256: str) -> None:
        """Store the metadata of an object beside it."""
        _metadata(path).write_text(sha256)

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        """Describe an object, as S3 does."""
        path = self._folder / Bucket / Key
        if not path.exists():
            raise _no_such_key(Key)
        stat = path.stat()
        return {
            "ETag": f'"{stat.st_mtime_ns:x}"',
            "ContentLength": stat.st_size,
            "LastModified": datetime.fromtimestamp(stat.st_mtime, UTC),
            "Metadata": {"sha256": _metadata(path).read_text()},
        }

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        """Open an object, as S3 does."""
        head = self.head_object(Bucket=Bucket, Key=Key)
        return {**head, "Body": (self._folder / Bucket / Key).open("rb", buffering=0)}

    def upload_fileobj(
        self,
        body: IO[bytes],
        bucket: str,
        key: str,
        ExtraArgs: Mapping[str, Any],
        **_: object,
    ) -> None:
        """Copy an open file to an object."""
        path = self._folder / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            shutil.copyfileobj(body, file, 1 << 20)
        self.promise(path, ExtraArgs.get("Metadata", {}).get("sha256", ""))


def _metadata(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _no_such_key(key: str) -> Exception:
    return ClientError({"Error": {"Code": "NoSuchKey", "Message": key}}, "HeadObject")
