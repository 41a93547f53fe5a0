"""Delta tables. Invariant: each change is one commit, so a kill leaves no half.

A table of loads is partitioned by ``load_id``. So deleting a load removes whole files, and reading
a load opens only its files. The log keeps no value of a row, because an erasure could not remove it
there.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from uuid import uuid4

import boto3
from botocore.exceptions import BotoCoreError

from scripts.errors import ConfigurationError, UnavailableError
from scripts.landing.store import Store

_GROUP_BYTES = 16 * 1024**2  # of a row group in memory, which bounds the memory of a writer
_READ_ROWS = 10_000
# A build may read files for as long after they left the table, and a load may take as long.
_KEPT_HOURS = 24
_PROPERTIES = {
    "delta.dataSkippingStatsColumns": "position",
    "delta.deletedFileRetentionDuration": f"interval {_KEPT_HOURS} hours",
}
_MAX_REASON = 300


class LakeTable:
    """One Delta table. Each method may raise UnavailableError.

    Attributes:
        uri: its place: a local folder, or ``s3://bucket/prefix``.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._delta = library("deltalake")
        self._arrow = library("pyarrow")
        self._options = _storage_options(uri)

    def exists(self) -> bool:
        """Return whether the place has a Delta table."""
        with self._errors():
            return bool(self._delta.DeltaTable.is_deltatable(self.uri, self._options))

    def overwrite(self, rows: Any) -> None:
        """Replace everything by an Arrow table, in one commit."""
        with self._errors():
            self._delta.write_deltalake(
                self.uri,
                rows,
                mode="overwrite",
                schema_mode="overwrite",
                storage_options=self._options,
            )

    def column(self, name: str, **where: Any) -> list[Any]:
        """Return the values of a column, of the rows whose other columns have these values."""
        filters = [(column, "=", value) for column, value in where.items()]
        with self._errors():
            rows = self._open().to_pyarrow_table(columns=[name], filters=filters or None)
        return list(rows[name].to_pylist())

    def _open(self) -> Any:
        return self._delta.DeltaTable(self.uri, storage_options=self._options)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn errors of the library into ours, in one line."""
        try:
            yield
        except self._delta.exceptions.TableNotFoundError:
            raise ConfigurationError(
                f"there is no Delta table at {self.uri}: run `python -m scripts.migrate`"
            ) from None
        except (self._delta.exceptions.DeltaError, OSError) as error:
            line = (str(error).splitlines() or [type(error).__name__])[0][:_MAX_REASON]
            raise UnavailableError(f"lakehouse {self.uri}: {line}") from error


class LoadTable(LakeTable):
    """The Delta table of the rows of loads, partitioned by ``load_id``."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        library("deltalake.fs")
        self._files = library("pyarrow.fs")
        self._parquet = library("pyarrow.parquet")

    def schema(self) -> Any | None:
        """Return its Arrow schema, or None if it does not exist."""
        if not self.exists():
            return None
        return self._arrow.schema(self._open().schema().to_arrow())

    def create(self, schema: Any) -> None:
        """Create it without rows. Rows that are there leave it in the same commit."""
        with self._errors():
            self._delta.DeltaTable.create(
                self.uri,
                schema,
                mode="overwrite",
                partition_by=["load_id"],
                configuration=_PROPERTIES,
                storage_options=self._options,
            )

    def add_columns(self, fields: Sequence[Any]) -> None:
        """Add columns. The rows that are there have null in them."""
        with self._errors():
            self._open().alter.add_columns([self._delta.Field.from_arrow(f) for f in fields])

    def loads(self) -> dict[int, int]:
        """Return the number of rows of each load."""
        counts: dict[int, int] = {}
        with self._errors():
            files = self._arrow.table(self._open().get_add_actions(flatten=True))
        for row in files.select(["partition.load_id", "num_records"]).to_pylist():
            load_id = row["partition.load_id"]
            counts[load_id] = counts.get(load_id, 0) + row["num_records"]
        return counts

    def append(self, load_id: int, schema: Any, batches: Iterable[Any]) -> None:
        """Add the rows of a load in one commit, or none if `batches` raises."""
        if actions := self._written(load_id, schema, batches):
            self._commit(actions, schema, mode="append")

    def rewrite(self, load_id: int, schema: Any, change: Callable[[Any], Any]) -> None:
        """Replace the batches of a load by what `change` makes of them, in one commit."""
        with self._errors():
            files = self._open().to_pyarrow_dataset(
                file_pruning_predicate=[("load_id", "=", load_id)]
            )
            batches = files.to_batches(
                batch_size=_READ_ROWS, batch_readahead=1, fragment_readahead=1
            )
            actions = self._written(load_id, schema, map(change, batches))
        only = [("load_id", "=", str(load_id))]
        self._commit(actions, schema, mode="overwrite", partition_filters=only)

    def delete(self, load_ids: Sequence[int]) -> int:
        """Delete loads in one commit. Return the number of their rows."""
        if not load_ids:
            return 0
        with self._errors():
            done = self._open().delete(f"load_id in ({', '.join(map(str, load_ids))})")
        return int(done["num_deleted_rows"])

    def vacuum(self, hours: int = _KEPT_HOURS) -> None:
        """Remove files that left the table, or that a killed writer left, so many hours ago."""
        with self._errors():
            table, how = self._open(), {"enforce_retention_duration": False, "full": True}
            if table.vacuum(hours, dry_run=True, **how):  # each one that is not dry is a commit
                table.vacuum(hours, dry_run=False, **how)

    def forget_versions(self) -> None:
        """Remove what a bucket keeps of removed files: older versions and unfinished uploads."""
        bucket, _, prefix = self.uri.removeprefix("s3://").partition("/")
        if self.uri.startswith("s3://"):
            store = Store.of_environment(bucket)
            store.abort_uploads(f"{prefix}/")
            kept = store.versions(f"{prefix}/")
            store.delete_versions([v for v in kept if v.is_marker or not v.is_latest])

    def query(self, statement: str) -> Iterator[Any]:
        """Yield the batches of an SQL query of the table ``rows``."""
        with self._errors():
            builder = self._delta.QueryBuilder().register("rows", self._open())
            yield from map(self._arrow.record_batch, builder.execute(statement))

    def _written(self, load_id: int, schema: Any, batches: Iterable[Any]) -> list[Any]:
        """Write one file, a row group at a time. Return the actions that add it to the table."""
        path, rows, folder = f"load_id={load_id}/{uuid4()}.parquet", 0, self._folder()
        columns = schema.remove(schema.get_field_index("load_id"))
        with self._errors(), folder.open_output_stream(path) as sink:
            with self._parquet.ParquetWriter(sink, columns) as writer:
                for group in _groups(batches):
                    table = self._arrow.Table.from_batches(group).select(columns.names)
                    if len(table):
                        writer.write_table(table, row_group_size=len(table))
                    rows += len(table)
            size = sink.tell()
        statistics = json.dumps({"numRecords": rows})
        values = {"load_id": str(load_id)}
        now = int(time.time() * 1000)
        action = self._delta.transaction.AddAction(path, size, values, now, True, statistics)
        return [action] if rows else []

    def _commit(self, actions: list[Any], schema: Any, **how: Any) -> None:
        """Commit files that are written. A change of the table at the same time is no conflict."""
        for is_last in (False, False, True):
            with self._errors():
                try:
                    self._open().create_write_transaction(
                        actions, schema=schema, partition_by=["load_id"], **how
                    )
                except self._delta.exceptions.CommitFailedError:
                    if is_last:
                        raise
                else:
                    return

    def _folder(self) -> Any:
        """Return the table's folder as a file system of Arrow."""
        handler = self._delta.fs.DeltaStorageHandler(self.uri, self._options)
        return self._files.PyFileSystem(handler)


def _groups(batches: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield batches together, as many as a row group may have."""
    group: list[Any] = []
    size = 0
    for batch in batches:
        group.append(batch)
        size += batch.nbytes
        if size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def library(name: str) -> Any:
    """Import a package that only a lakehouse needs. Raises ConfigurationError if it is missing."""
    try:
        return import_module(name)
    except ImportError:
        raise ConfigurationError(
            f"PIPELINE_WAREHOUSE=delta needs the package {name}: install "
            "requirements/tools/lakehouse.txt beside the pipeline's own requirements, and "
            "requirements/tools/spark.txt into the environment of PIPELINE_LAKEHOUSE_PYTHON"
        ) from None


def _storage_options(uri: str) -> dict[str, str] | None:
    """Return how to reach the bucket: as AWS's standard variables, files and roles say."""
    if not uri.startswith("s3://"):
        return None
    try:
        session = boto3.Session()
        endpoint = session.client("s3").meta.endpoint_url
        found = session.get_credentials()
        keys = found.get_frozen_credentials() if found else None
    except BotoCoreError as error:
        raise ConfigurationError(f"lakehouse {uri}: {error}") from None
    options = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": session.region_name,
        "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower(),
        "AWS_ACCESS_KEY_ID": keys and keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys and keys.secret_key,
        "AWS_SESSION_TOKEN": keys and keys.token,
    }
    return {name: value for name, value in options.items() if value}
