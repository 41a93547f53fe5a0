"""A bucket in memory, with versions. It stands for S3 where the order of requests is tested."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import IO, Any

from scripts.landing.store import (
    ChangedError,
    ObjectHead,
    ObjectInfo,
    ObjectVersion,
    OpenObject,
    UnreadableError,
)

UNREADABLE = b"the bucket does not give this out"
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def number_at(moment: datetime) -> int:
    """Return the number of the version that was last modified at a moment."""
    return round((moment - _BEGAN).total_seconds())


@dataclass(frozen=True)
class Version:
    """A version of an object, or a delete marker without a body. `promise` is its sha256."""

    key: str
    number: int
    body: bytes | None
    promise: str | None = None
    erased_from: str | None = None

    def head(self) -> ObjectHead:
        body = self.body or b""
        etag = f'"{sha256(body).hexdigest()[:32]}"'
        info = ObjectInfo(self.key, etag, len(body), _BEGAN + timedelta(seconds=self.number))
        return ObjectHead(info, str(self.number), self.promise, None, erased_from=self.erased_from)


@dataclass
class Bucket:
    """The versions of all objects. Each request is a pause of the actor that makes it.

    Attributes:
        history: every version that ever was, by number, also after its deletion.
        changed: by key, the number of the last change of what the object is.
    """

    pause: Callable[[str], None]
    history: dict[int, Version] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    bucket: str = "simulated"
    _clock: int = 0
    _versions: list[Version] = field(default_factory=list)

    @property
    def now(self) -> int:
        """The number of the last change of anything."""
        return self._clock

    def write(self, key: str, body: bytes | None, promise: str | None = None) -> Version:
        """Put a version as another producer does, or a delete marker."""
        self.pause("PUT" if body is not None else "DELETE")
        return self._add(key, body, promise)

    def _add(
        self, key: str, body: bytes | None, promise: str | None, erased_from: str | None = None
    ) -> Version:
        version = Version(key, self._tick(key), body, promise, erased_from)
        self._versions.append(version)
        self.history[version.number] = version
        return version

    def _tick(self, key: str) -> int:
        self._clock += 1
        self.changed[key] = self._clock
        return self._clock

    def latest(self, key: str) -> Version | None:
        """Return what a reader of the object gets."""
        found = [version for version in self._versions if version.key == key]
        return found[-1] if found and found[-1].body is not None else None

    def bodies(self) -> Iterator[Version]:
        """Yield every version that can still be read."""
        return (version for version in self._versions if version.body is not None)

    def delete(self, key: str) -> None:
        self.write(key, None)

    def head(self, key: str) -> ObjectHead | None:
        self.pause("HEAD")
        latest = self.latest(key)
        return latest.head() if latest else None

    def open(self, key: str, version_id: str | None = None) -> OpenObject | None:
        self.pause("GET")
        found = self.latest(key)
        if version_id:
            found = next((v for v in self._versions if str(v.number) == version_id), None)
        if found is None or found.body is None:
            return None
        if found.body == UNREADABLE:
            raise UnreadableError(f"get {key}: AccessDenied")
        head = found.head()
        return OpenObject(
            head.info,
            head.version_id,
            head.sha256,
            None,
            erased_from=head.erased_from,
            body=_Body(found.body, self.pause),
        )

    def replace(self, opened: OpenObject, body: IO[bytes], sha256: str) -> str:
        self.pause("PUT if unchanged")
        latest = self.latest(opened.info.key)
        if latest is None or latest.head().info.etag != opened.info.etag:
            raise ChangedError(opened.info.key)
        put = self._add(opened.info.key, body.read(), sha256, opened.landed_etag)
        return str(put.number)

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        self.pause("list")
        for key in sorted(self.changed):
            latest = self.latest(key)
            if key.startswith(prefix) and key > start_after and latest:
                yield latest.head().info

    def find(self, key: str) -> ObjectInfo | None:
        return next((info for info in self.list(key) if info.key == key), None)

    def children(self, prefix: str) -> Iterator[str]:
        found = {key.removeprefix(prefix).partition("/")[0] for key in self.changed}
        return (f"{prefix}{name}/" for name in sorted(found))

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        self.pause("list versions")
        last = {version.key: version for version in self._versions}
        for one in [version for version in self._versions if version.key.startswith(prefix)]:
            yield ObjectVersion(one.key, str(one.number), one is last[one.key], one.body is None)

    def delete_versions(self, versions: Sequence[ObjectVersion]) -> None:
        for deleted in sorted(versions, key=lambda version: version.is_latest):
            self.pause("DELETE version")
            before = self.latest(deleted.key)
            self._versions = [v for v in self._versions if str(v.number) != deleted.version_id]
            if self.latest(deleted.key) != before:
                self._tick(deleted.key)

    def abort_uploads(self, _: str) -> int:
        return 0


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
