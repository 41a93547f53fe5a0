"""Build, test and publish the marts on a lakehouse. Invariant: PostgreSQL's ledger decides.

It runs in the environment ``.tools/spark``. Before a build it pins the ledger: the current
loads and their rejects become two small Delta tables, each in one commit. After a publish it notes
in the ledger which loads readers see. If it is killed before, the next build does that.

Spark Connect waits without end for a server that is gone. So the process has a deadline.
"""

import faulthandler
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from scripts.errors import BuildFailedError, ConfigurationError
from scripts.warehouse.connection import connect
from scripts.warehouse.dbt_lock import dbt_lock
from sources import SOURCES, Source

_PROJECT = Path(__file__).parents[2] / "dbt"
_LOADS = pa.schema(
    [
        ("load_id", pa.int64()),
        ("source", pa.string()),
        ("day", pa.date32()),
        ("day_kind", pa.string()),
        ("sha256", pa.string()),
        ("received", pa.int64()),
        ("loaded", pa.int64()),
        ("rejected", pa.int64()),
        ("is_current", pa.bool_()),
        ("published_at", pa.timestamp("us", "UTC")),
    ]
)
_REJECTS = pa.schema(
    [("load_id", pa.int64()), ("position", pa.int64()), ("record_key", pa.string())]
)
_CURRENT = """
    select load_id, source, day, day_kind, sha256, received, loaded, rejected, is_current,
        published_at
    from ops.loads where is_current
"""
_REJECTED = """
    select rejects.load_id, rejects.position, loads.source, rejects.record_key
    from ops.rejects inner join ops.loads on loads.load_id = rejects.load_id
    where loads.is_current
"""
_REBUILDING = """
    select relname from pg_class where relnamespace = 'raw'::regnamespace
        and obj_description(oid, 'pg_class') = 'rebuilding'
"""
_KEYS = "select load_id, position, concat({}) as record_key from raw.{}_rows"
_NOTE = "update ops.loads set published_at = now() where published_at is null and load_id = any(%s)"


class Lakehouse:
    """The Delta tables below a root, and the ledger in PostgreSQL.

    Attributes:
        root: a local folder, or ``s3://bucket/prefix``.
        dsn: the ledger, as role transformer.
        remote: the engine, ``sc://host:port``.
    """

    def __init__(self, root: str, dsn: str, remote: str) -> None:
        self.root, self._dsn, self._remote = root, dsn, remote
        os.environ["PIPELINE_LAKEHOUSE_ROOT"], os.environ["SPARK_REMOTE"] = root, remote

    def build(self, *options: str, deadline_seconds: float = 3600) -> None:
        """Pin the ledger, build and test every model, and publish.

        `options` are of ``dbt build``. After the deadline the process ends with status 1.

        Raises:
            BuildFailedError: a model or a test failed, or the publish was refused.
        """
        with deadline(deadline_seconds), dbt_lock(self._dsn, is_alone=True):
            self.note_published()
            self.pin()
            self.register()
            self.dbt("build", "--exclude-resource-type", "unit_test", *options)
            self.publish()

    def publish(self) -> None:
        """Publish what is built, and note it in the ledger. Raises BuildFailedError if refused."""
        self.dbt("run-operation", "publish")
        self.note_published()

    def pin(self) -> None:
        """Overwrite the pinned ledger with the present one.

        Raises:
            ConfigurationError: a raw table is not complete.
        """
        with connect(self._dsn) as connection:
            connection.execute("set transaction isolation level repeatable read")
            for (table,) in connection.execute(_REBUILDING):
                name = table.removesuffix("_rows")
                raise ConfigurationError(
                    f"raw.{table} is not complete: run `python -m scripts.rebuild --source {name}`"
                )
            loads = connection.execute(_CURRENT).fetchall()
            rejects = [
                (load_id, position, _key_text(source, key))
                for load_id, position, source, key in connection.execute(_REJECTED)
            ]
        self._overwrite("loads", _LOADS, loads)
        self._overwrite("rejects", _REJECTS, rejects)

    def register(self) -> SparkSession:
        """Tell the engine's catalog where the tables are. A catalog that knows them keeps them."""
        spark = SparkSession.builder.remote(self._remote).getOrCreate()
        spark.conf.set("spark.sql.session.timeZone", "UTC")
        for schema, names in self._tables().items():
            spark.sql(f"create schema if not exists {schema}")
            for name in names:
                if self._is_table(schema, name):
                    self._register(spark, schema, name)
        sources = [s for s in SOURCES.values() if self._is_table("raw", f"{s.name}_rows")]
        spark.sql(f"create or replace view ops.record_keys as {_record_keys(sources)}")
        return spark

    def dbt(self, *command: str) -> None:
        """Run a command of dbt in this process. Raises BuildFailedError with its errors."""
        from dbt.cli.main import dbtRunner

        errors: list[str] = []

        def collect(event: Any) -> None:
            if event.info.level == "error" and event.info.msg.strip():
                errors.append(" ".join(event.info.msg.split()))

        place = ("--project-dir", str(_PROJECT), "--profiles-dir", str(_PROJECT))
        quiet = ("--quiet", "--no-write-json", "--log-level-file", "none")
        run = dbtRunner(callbacks=[collect]).invoke(
            [*quiet, *command, *place, "--target", "lakehouse"]
        )
        if not run.success:
            raise BuildFailedError(f"dbt {command[0]}: {'; '.join(errors) or run.exception}")

    def note_published(self) -> None:
        """Note in the ledger the loads that readers see."""
        if not self._is_table("published", "current"):
            return
        current = DeltaTable(self._place("published", "current")).to_pyarrow_table()
        (shown,) = current["publish_id"].to_pylist()
        loads = DeltaTable(self._place("published", "pinned_loads")).to_pyarrow_table(
            columns=["load_id"], filters=[("publish_id", "=", shown)]
        )
        with connect(self._dsn) as connection:
            connection.execute(_NOTE, [loads["load_id"].to_pylist()])

    def _overwrite(self, name: str, schema: pa.Schema, rows: Sequence[tuple[Any, ...]]) -> None:
        records = [dict(zip(schema.names, row, strict=True)) for row in rows]
        write_deltalake(
            self._place("ops", name),
            pa.Table.from_pylist(records, schema),
            mode="overwrite",
            schema_mode="overwrite",
        )

    def _register(self, spark: SparkSession, schema: str, name: str) -> None:
        """Register a table with its columns. Without them, Sail describes it as empty.

        Nothing asks for those of a raw table, and Sail refuses columns of its partitioned tables.
        """
        place, columns = self._place(schema, name), ""
        if schema != "raw":
            fields = spark.read.format("delta").load(place).schema.fields
            columns = f"({', '.join(map(_column, fields))})"
        spark.sql(
            f"create table if not exists {schema}.{name} {columns} using delta location '{place}'"
        )

    def _place(self, schema: str, name: str) -> str:
        return f"{self.root}/{schema}/{name}"

    def _is_table(self, schema: str, name: str) -> bool:
        return bool(DeltaTable.is_deltatable(self._place(schema, name)))

    def _tables(self) -> dict[str, list[str]]:
        models = [path.stem for path in _PROJECT.glob("models/*/*.sql")]
        return {
            "raw": [f"{name}_rows" for name in SOURCES],
            "ops": ["loads", "rejects"],
            "build": [*models, "outcomes"],
            "published": [*models, "current"],
        }


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """End the process with a traceback if a block takes longer."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _column(field: Any) -> str:
    nullability = "" if field.nullable else " not null"
    return f"`{field.name}` {field.dataType.simpleString()}{nullability}"


def _key_text(source: str, key: dict[str, Any] | None) -> str:
    """Return a key as `_record_keys` writes it: each value with its length before it."""
    names = SOURCES[source].key_columns if source in SOURCES else {}
    if not key or names.keys() != key.keys():
        return "{}"
    return "".join(f"{len(str(key[name]))}:{key[name]}" for name in names)


def _record_keys(sources: Sequence[Source]) -> str:
    """Return a query of the key of each raw row of each source that has one."""
    selects = [
        _KEYS.format(", ".join(_key_parts(source)), source.name)
        for source in sources
        if source.key_columns
    ]
    return " union all ".join(selects) or (
        "select cast(0 as bigint) as load_id, cast(0 as bigint) as position, '' as record_key"
        " where false"
    )


def _key_parts(source: Source) -> Iterator[str]:
    for name, type_ in source.key_columns.items():
        value = f"unix_micros(`{name}`)" if type_.startswith("timestamp") else f"`{name}`"
        yield f"length(cast({value} as string)), ':', cast({value} as string)"
