"""The client of the object store. Invariant: an object is read and written whole or not at all."""

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from scripts.errors import ConfigurationError, PipelineError, UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK_BYTES = 1 << 20
# Give up on a silent host well before a task's own timeout.
CLIENT_CONFIG = Config(connect_timeout=5, retries={"mode": "standard", "max_attempts": 5})
# One block of 8 MiB after the other. Threads would hold up to ten, and each keeps its memory.
_UPLOAD_CONFIG = TransferConfig(use_threads=False)
_BASE64_LENGTH = 44  # of 32 bytes
# Our metadata names. An ETag is not a content hash.
_SHA256, _AS_OF, _PARENT, _ERASED = "sha256", "as-of", "parent-etag", "erased-from"
_DELETE_LIMIT = 1000  # of S3, per request


@dataclass(frozen=True)
class ObjectInfo:
    """One row of a listing: what S3 reports about an object without opening it (no version id)."""

    key: str
    etag: str
    size: int
    last_modified: datetime

    def __post_init__(self) -> None:
        """Keep whole seconds: a header has no more, and a listing must compare equal to it."""
        object.__setattr__(self, "last_modified", self.last_modified.replace(microsecond=0))


@dataclass(frozen=True)
class ObjectHead:
    """One version of an object, with what its writer recorded in the metadata, or None.

    Attributes:
        sha256: the digest of the content, in hex.
        as_of: when the API was asked, if the content is not how things were on the object's day.
        parent_etag: of the object of a child, the `landed_etag` of its parents' object.
        erased_from: the `landed_etag` of the object from which an erasure has removed records.
    """

    info: ObjectInfo
    version_id: str | None
    sha256: str | None
    as_of: datetime | None
    parent_etag: str | None = None
    erased_from: str | None = None

    @property
    def landed_etag(self) -> str:
        """The ETag with which the object landed: the same after an erasure."""
        return self.erased_from or self.info.etag


@dataclass(frozen=True)
class OpenObject(ObjectHead):
    """One version of an object, opened for reading."""

    body: Any = field(kw_only=True)

    def blocks(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Yield the body in blocks of at most `size` bytes, or raise UnavailableError."""
        try:
            while block := self.body.read(size):
                yield block
        except (BotoCoreError, OSError) as error:
            raise UnavailableError(f"reading {self.info.key} broke off: {error}") from error
        finally:
            self.body.close()


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an object, or a delete marker (`is_marker`)."""

    key: str
    version_id: str
    is_latest: bool
    is_marker: bool


class ChangedError(UnavailableError):
    """Another writer changed or deleted the object. Read it again."""


class UnreadableError(UnavailableError):
    """The bucket answers, but does not give out this one object: its key, its archive, its rights.

    Whether it is the object alone shows when another one is read.
    """


class _AbsentError(UnavailableError):
    """The object, or the requested version of it, does not exist."""


_HEAD_CODES = dict.fromkeys(["404", "NoSuchKey", "NotFound"], _AbsentError)  # HEAD has no body
# AccessDenied, an archived object, SSE-C, and a KMS key that is gone.
_UNREADABLE = ("AccessDenied", "InvalidObjectState", "InvalidRequest", "KMS.DisabledException")
_GET_CODES: dict[str, type[UnavailableError]] = {
    **dict.fromkeys(["NoSuchKey", "NoSuchVersion"], _AbsentError),
    **dict.fromkeys([*_UNREADABLE, "KMS.NotFoundException"], UnreadableError),
}
_REPLACE_CODES = dict.fromkeys(
    ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"], ChangedError
)


class Store:
    """The landing bucket, through one boto3 client. Every method may raise UnavailableError."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self.client = client
        self.bucket = bucket

    @classmethod
    def of_session(cls, session: boto3.Session, bucket: str, **client_args: Any) -> "Store":
        """Open the bucket with a boto3 session, which provides credentials, region and endpoint."""
        return cls(session.client("s3", config=CLIENT_CONFIG, **client_args), bucket)

    @classmethod
    def of_environment(cls, bucket: str) -> "Store":
        """Open the bucket with the standard variables and files of AWS.

        Raises:
            ConfigurationError: they name an endpoint, a profile or a region that cannot be.
        """
        with readable_settings():
            return cls.of_session(boto3.Session(), bucket)

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        """Yield every object under `prefix` in key order."""
        for page in self._pages("list_objects_v2", "list", prefix, StartAfter=start_after):
            for row in page.get("Contents", []):
                yield ObjectInfo(row["Key"], row["ETag"], row["Size"], row["LastModified"])

    def children(self, prefix: str) -> Iterator[str]:
        """Yield the folders (with their slash) and keys directly below `prefix`."""
        for page in self._pages("list_objects_v2", "list", prefix, Delimiter="/"):
            yield from (row["Prefix"] for row in page.get("CommonPrefixes", []))
            yield from (row["Key"] for row in page.get("Contents", []))

    def find(self, key: str) -> ObjectInfo | None:
        """Return what the listing says of an object, without any right to read it."""
        return next((info for info in self.list(key) if info.key == key), None)

    def head(self, key: str) -> ObjectHead | None:
        """Return what S3 knows of an object without its body, or None if it does not exist."""
        with suppress(_AbsentError), self.request("head", key, _HEAD_CODES):
            answer = self.client.head_object(Bucket=self.bucket, Key=key)
            return ObjectHead(**_description(key, answer))
        return None

    def open(self, key: str, version_id: str | None = None) -> OpenObject | None:
        """Open an object, or one version of it, for reading. Return None if it does not exist."""
        version: Any = {"VersionId": version_id} if version_id else {}
        with suppress(_AbsentError), self.request("get", key, _GET_CODES):
            answer = self.client.get_object(Bucket=self.bucket, Key=key, **version)
            return OpenObject(**_description(key, answer), body=answer["Body"])
        return None

    def put(
        self,
        key: str,
        body: IO[bytes],
        sha256: str,
        as_of: datetime | None = None,
        parent_etag: str | None = None,
    ) -> str | None:
        """Upload `body` (multipart when large), with its `ObjectHead`. Return the version id."""
        with self.request("put", key):
            headers = _headers(sha256, as_of, parent_etag)
            file: Any = _LeftOpen(body)
            self.client.upload_fileobj(
                file, self.bucket, key, ExtraArgs=headers, Config=_UPLOAD_CONFIG
            )
        found = self.head(key)
        return found.version_id if found else None

    def begin_upload(
        self, key: str, sha256: str, as_of: datetime | None, parent_etag: str | None
    ) -> str:
        """Begin an upload in parts, of an object that is described as by `put`. Return its id."""
        headers = _headers(sha256, as_of, parent_etag)
        with self.request("begin an upload of", key):
            answer = self.client.create_multipart_upload(Bucket=self.bucket, Key=key, **headers)
        return answer["UploadId"]

    def read_range(self, head: ObjectHead, start: int, end: int) -> bytes:
        """Return the bytes [start, end) of one version of an object."""
        if start == end:
            return b""
        version: Any = {"VersionId": head.version_id} if head.version_id else {}
        with self.request("get", head.info.key):
            answer = self.client.get_object(
                Bucket=self.bucket, Key=head.info.key, Range=f"bytes={start}-{end - 1}", **version
            )
            with answer["Body"] as body:
                if answer["ContentLength"] != end - start:  # not every store knows ranges
                    _skip(body, start)
                found: bytes = body.read(end - start)
        if len(found) != end - start:
            raise UnavailableError(
                f"reading {head.info.key} broke off at byte {start + len(found)}"
            )
        return found

    def replace(self, opened: OpenObject, body: IO[bytes], sha256: str) -> str | None:
        """Put `body` in place of the opened version. Return the new version id.

        Raises:
            ChangedError: that version is no longer the latest. Nothing was put.
        """
        key, etag = opened.info.key, opened.info.etag
        headers = _headers(sha256, opened.as_of, opened.parent_etag, opened.landed_etag)
        with self.request("replace", key, _REPLACE_CODES):
            answer = self.client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=body,
                IfMatch=etag,
                **headers,
            )
        return answer.get("VersionId")

    def delete(self, key: str) -> None:
        """Delete an object. In a bucket with versions it can be restored."""
        with self.request("delete", key):
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """Yield every version and delete marker under `prefix`."""
        for page in self._pages("list_object_versions", "list versions of", prefix):
            for kind, is_marker in (("Versions", False), ("DeleteMarkers", True)):
                for row in page.get(kind, []):
                    yield ObjectVersion(row["Key"], row["VersionId"], row["IsLatest"], is_marker)

    def delete_versions(self, versions: Sequence[ObjectVersion]) -> None:
        """Delete these versions permanently, the latest last: no older one must become visible."""
        older = [v for v in versions if not v.is_latest]
        latest = [v for v in versions if v.is_latest]
        for batch in [*_batches(older), *_batches(latest)]:
            keys: Any = [{"Key": v.key, "VersionId": v.version_id} for v in batch]
            with self.request("delete versions of", batch[0].key):
                answer = self.client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": keys, "Quiet": True}
                )
            for failed in answer.get("Errors", []):
                raise UnavailableError(f"delete a version of {failed['Key']}: {failed['Code']}")

    def abort_uploads(self, prefix: str) -> int:
        """Abort the unfinished multipart uploads below a prefix. Return how many there were.

        A writer who is about to finish one gets an error, and writes the object again.
        """
        found = [
            (row["Key"], row["UploadId"])
            for page in self._pages("list_multipart_uploads", "list uploads of", prefix)
            for row in page.get("Uploads", [])
        ]
        for key, upload_id in found:
            with self.request("abort an upload of", key):
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
        return len(found)

    def _pages(self, operation: str, verb: str, prefix: str, **arguments: str) -> Iterator[Any]:
        client: Any = self.client
        pages = client.get_paginator(operation)
        with self.request(verb, prefix):
            yield from pages.paginate(Bucket=self.bucket, Prefix=prefix, **arguments)

    @contextmanager
    def request(
        self, verb: str, key: str, by_code: Mapping[str, type[UnavailableError]] | None = None
    ) -> Iterator[None]:
        """Turn every error of the client into one of ours: by its code, else UnavailableError."""
        try:
            yield
        except (BotoCoreError, ClientError, Boto3Error) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            kind: type[PipelineError] = (by_code or {}).get(code, UnavailableError)
            if isinstance(error, ParamValidationError):  # such as the name of the bucket
                kind = ConfigurationError
            raise kind(f"{verb} s3://{self.bucket}/{key}: {error}") from error


class _LeftOpen:
    """A file that boto3 does not close: it is the caller's."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        """Leave the file open."""


@contextmanager
def readable_settings() -> Iterator[None]:
    """Turn what boto3 says about its settings into a ConfigurationError."""
    try:
        yield
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"settings of AWS: {error}") from None


def _batches(versions: Sequence[ObjectVersion]) -> Iterator[Sequence[ObjectVersion]]:
    for start in range(0, len(versions), _DELETE_LIMIT):
        yield versions[start : start + _DELETE_LIMIT]


def _skip(body: Any, size: int) -> None:
    while size > 0:
        size -= len(body.read(min(size, BLOCK_BYTES))) or size


def _description(key: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an `ObjectHead`."""
    metadata = answer["Metadata"]
    return {
        "info": ObjectInfo(key, answer["ETag"], answer["ContentLength"], answer["LastModified"]),
        "version_id": answer.get("VersionId"),
        "sha256": _in_hex(metadata.get(_SHA256)),
        "as_of": _moment(metadata.get(_AS_OF)),
        "parent_etag": metadata.get(_PARENT),
        "erased_from": metadata.get(_ERASED),
    }


def _moment(text: str | None) -> datetime | None:
    """Return the time in a metadata value. Another producer can write anything there."""
    with suppress(ValueError):
        moment = datetime.fromisoformat(text or "")
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _in_hex(digest: str | None) -> str | None:
    """Return a sha256 in lower-case hex. Other producers write capitals, or base64 as S3 does."""
    if digest and len(digest) == _BASE64_LENGTH:
        with suppress(ValueError):
            return b64decode(digest, validate=True).hex()
    return digest and digest.strip().lower()


def _headers(
    sha256: str,
    as_of: datetime | None,
    parent_etag: str | None = None,
    erased_from: str | None = None,
) -> Any:
    moment = as_of and as_of.isoformat()
    found = {_SHA256: sha256, _AS_OF: moment, _PARENT: parent_etag, _ERASED: erased_from}
    metadata = {name: value for name, value in found.items() if value}
    return {"Metadata": metadata, "ContentType": "application/json"}
