"""The door to the object store. Invariant: an object is read and written whole or not at all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from scripts.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef, ObjectIdentifierTypeDef

BLOCK_BYTES = 1 << 20
# A host that is silent must be given up well before a task's own time is over.
CLIENT_CONFIG = Config(connect_timeout=5, retries={"mode": "standard", "max_attempts": 5})
_SHA256 = "sha256"  # our metadata name; an ETag is no content hash
_CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}
_DELETE_AT_ONCE = 1000


@dataclass(frozen=True)
class ObjectInfo:
    """One row of a listing: what S3 says of an object without opening it (no version id)."""

    key: str
    etag: str
    size: int
    last_modified: datetime

    def __post_init__(self) -> None:
        """Keep whole seconds: a header has no more, and a listing must compare equal to it."""
        object.__setattr__(self, "last_modified", self.last_modified.replace(microsecond=0))


@dataclass(frozen=True)
class ObjectHead:
    """One version of an object; `sha256` is what its writer recorded in the metadata, if it did."""

    info: ObjectInfo
    version_id: str | None
    sha256: str | None


@dataclass(frozen=True)
class OpenObject(ObjectHead):
    """One version of an object, opened for reading."""

    body: Any

    def blocks(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Yield the body in blocks of at most `size` bytes; raises UnavailableError when cut."""
        try:
            while block := self.body.read(size):
                yield block
        except (BotoCoreError, OSError) as error:
            raise UnavailableError(f"reading {self.info.key} broke off: {error}") from error
        finally:
            self.body.close()


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an object, or (`is_marker`) the mark that it was deleted."""

    key: str
    version_id: str
    is_latest: bool
    is_marker: bool


class ChangedError(UnavailableError):
    """Somebody else wrote the object meanwhile: look again."""


class Store:
    """The landing bucket, through one boto3 client."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self.client = client
        self.bucket = bucket

    @classmethod
    def of_session(cls, session: boto3.Session, bucket: str, **client_args: Any) -> "Store":
        """Open the bucket with a boto3 session (credentials, region and endpoint are its own)."""
        return cls(session.client("s3", config=CLIENT_CONFIG, **client_args), bucket)

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        """Yield every object under `prefix` in key order; raises UnavailableError."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, StartAfter=start_after
        )
        try:
            for page in pages:
                for row in page.get("Contents", []):
                    yield ObjectInfo(row["Key"], row["ETag"], row["Size"], row["LastModified"])
        except (BotoCoreError, ClientError) as error:
            raise self._unavailable("list", prefix, error) from error

    def children(self, prefix: str) -> Iterator[str]:
        """Yield the folders (with their slash) and keys directly below `prefix`."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, Delimiter="/"
        )
        try:
            for page in pages:
                yield from (row["Prefix"] for row in page.get("CommonPrefixes", []))
                yield from (row["Key"] for row in page.get("Contents", []))
        except (BotoCoreError, ClientError) as error:
            raise self._unavailable("list", prefix, error) from error

    def head(self, key: str) -> ObjectHead | None:
        """Return what S3 knows of an object without its body, or None if it is absent."""
        try:
            head = self.client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"404", "NoSuchKey", "NotFound"}:
                return None
            raise self._unavailable("head", key, error) from error
        except BotoCoreError as error:
            raise self._unavailable("head", key, error) from error
        info = ObjectInfo(key, head["ETag"], head["ContentLength"], head["LastModified"])
        return ObjectHead(info, head.get("VersionId"), head["Metadata"].get(_SHA256))

    def open(self, key: str, version_id: str | None = None) -> OpenObject | None:
        """Open an object (or one version of it) for reading, or return None if it is absent.

        Raises:
            UnavailableError: the bucket does not answer as it should.
        """
        version: GetObjectRequestTypeDef = {"Bucket": self.bucket, "Key": key}
        if version_id:
            version["VersionId"] = version_id
        try:
            got = self.client.get_object(**version)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "NoSuchVersion"}:
                return None
            raise self._unavailable("get", key, error) from error
        except BotoCoreError as error:
            raise self._unavailable("get", key, error) from error
        info = ObjectInfo(key, got["ETag"], got["ContentLength"], got["LastModified"])
        return OpenObject(info, got.get("VersionId"), got["Metadata"].get(_SHA256), got["Body"])

    def put(self, key: str, body: IO[bytes], sha256: str) -> str | None:
        """Upload `body` (multipart when large) with its sha256; return the new version id."""
        try:
            self.client.upload_fileobj(
                body,
                self.bucket,
                key,
                ExtraArgs={"Metadata": {_SHA256: sha256}, "ContentType": "application/json"},
            )
        except (BotoCoreError, ClientError, boto3.exceptions.Boto3Error) as error:
            raise self._unavailable("put", key, error) from error
        found = self.head(key)
        return found.version_id if found else None

    def replace(self, opened: OpenObject, body: IO[bytes], sha256: str) -> str | None:
        """Put `body` in the place of the version that was opened; return the new version id.

        Raises:
            ChangedError: that version is no longer the object's latest; nothing was put.
        """
        key = opened.info.key
        try:
            put = self.client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=body,
                IfMatch=opened.info.etag,
                Metadata={_SHA256: sha256},
                ContentType="application/json",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _CHANGED:
                raise ChangedError(f"{key} was written by somebody else meanwhile") from error
            raise self._unavailable("put", key, error) from error
        except BotoCoreError as error:
            raise self._unavailable("put", key, error) from error
        return put.get("VersionId")

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """Yield every version and delete marker under `prefix`; raises UnavailableError."""
        pages = self.client.get_paginator("list_object_versions").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        try:
            for page in pages:
                for row in page.get("Versions", []):
                    yield ObjectVersion(
                        row["Key"], row["VersionId"], row["IsLatest"], is_marker=False
                    )
                for mark in page.get("DeleteMarkers", []):
                    yield ObjectVersion(
                        mark["Key"], mark["VersionId"], mark["IsLatest"], is_marker=True
                    )
        except (BotoCoreError, ClientError) as error:
            raise self._unavailable("list versions of", prefix, error) from error

    def delete_versions(self, versions: Sequence[ObjectVersion]) -> None:
        """Delete these versions for good; the latest last, so that no older one comes to light."""
        older = [v for v in versions if not v.is_latest]
        latest = [v for v in versions if v.is_latest]
        batches = [older[i : i + _DELETE_AT_ONCE] for i in range(0, len(older), _DELETE_AT_ONCE)]
        for batch in filter(None, [*batches, latest]):
            doomed: list[ObjectIdentifierTypeDef] = [
                {"Key": v.key, "VersionId": v.version_id} for v in batch
            ]
            try:
                answer = self.client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": doomed, "Quiet": True}
                )
            except (BotoCoreError, ClientError) as error:
                raise self._unavailable("delete versions of", batch[0].key, error) from error
            for failed in answer.get("Errors", []):
                raise UnavailableError(f"delete a version of {failed['Key']}: {failed['Code']}")

    def _unavailable(self, verb: str, key: str, error: Exception) -> UnavailableError:
        return UnavailableError(f"{verb} s3://{self.bucket}/{key}: {error}")
