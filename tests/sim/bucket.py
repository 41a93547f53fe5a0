"""A bucket in memory, with versions. It stands for S3 where the order of requests is tested."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from scripts.landing.store import ObjectHead, ObjectInfo, OpenObject

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Version:
    """One version of the object. `promise` is the sha256 in its metadata."""

    number: int
    body: bytes
    promise: str | None

    def head(self, key: str) -> ObjectHead:
        etag = f'"{sha256(self.body).hexdigest()[:32]}"'
        info = ObjectInfo(key, etag, len(self.body), _BEGAN + timedelta(seconds=self.number))
        return ObjectHead(info, str(self.number), self.promise, None)


@dataclass
class Bucket:
    """The versions of one object. Each request is a pause of the actor that makes it."""

    key: str
    pause: Callable[[str], None]
    versions: list[Version] = field(default_factory=list)
    is_deleted: bool = False
    bucket: str = "simulated"

    def put(self, body: bytes, promise: str | None) -> None:
        self.pause("PUT")
        self.versions.append(Version(len(self.versions) + 1, body, promise))
        self.is_deleted = False

    def delete(self) -> None:
        self.pause("DELETE")
        self.is_deleted = True

    def latest(self) -> Version | None:
        return self.versions[-1] if self.versions and not self.is_deleted else None

    def head(self, key: str) -> ObjectHead | None:
        self.pause("HEAD")
        latest = self.latest()
        return latest.head(key) if latest else None

    def open(self, key: str) -> OpenObject | None:
        self.pause("GET")
        latest = self.latest()
        if latest is None:
            return None
        head = latest.head(key)
        body = _Body(latest.body, self.pause)
        return OpenObject(head.info, head.version_id, head.sha256, None, body=body)


class _Body:
    """A body that comes in two blocks."""

    def __init__(self, body: bytes, pause: Callable[[str], None]) -> None:
        self._body = io.BytesIO(body)
        self._half = len(body) // 2 + 1
        self._pause = pause

    def read(self, _: int) -> bytes:
        self._pause("block")
        return self._body.read(self._half)

    def close(self, *_: Any) -> None:
        self._body.close()
