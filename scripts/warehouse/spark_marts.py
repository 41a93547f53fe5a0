"""Build, test and publish the marts on an engine behind Spark Connect, with Delta tables.

`scripts.dbt` starts ``python -m scripts.warehouse.spark_marts`` with the interpreter that
PIPELINE_LAKEHOUSE_PYTHON names, which has dbt-spark. Invariant: this process holds the lock of dbt
while the engine works for it, and ends at a deadline: Spark Connect waits without end for a server
that is gone.
"""

import signal
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts import settings
from scripts.cli import run_cli
from scripts.errors import BuildFailedError
from scripts.killpoints import reach
from scripts.warehouse.dbt_lock import dbt_lock
from scripts.warehouse.lakehouse import LakeTable, library
from scripts.warehouse.pinned_ledger import PinnedLedger
from sources import SOURCES, Source

_PROJECT = Path(__file__).parents[2] / "dbt"
_PLACE = ("--project-dir", str(_PROJECT), "--profiles-dir", str(_PROJECT), "--target", "lakehouse")
_QUIET = ("--quiet", "--no-write-json", "--log-level-file", "none")
_BUILD = ("build", "--exclude-resource-type", "unit_test")
_MAX_REASON = 2000  # characters of an error: the engine adds the plan of the query
_KEYS = "select load_id, position, concat({}) as record_key from raw.{}_rows"
_NO_KEYS = (
    "select cast(0 as bigint) as load_id, cast(0 as bigint) as position, '' as record_key"
    " where false"
)


class SparkMarts:
    """The Delta tables below a root, as the engine's catalog has them.

    Attributes:
        ledger: the ledger in PostgreSQL, and its copy.
    """

    def __init__(self, root: str, dsn: str, remote: str) -> None:
        """Take the root, the ledger as role transformer, and the engine, ``sc://host:port``."""
        self._sessions = library("pyspark.sql").SparkSession.builder.remote(remote)
        self._root, self._dsn = root, dsn
        self.ledger = PinnedLedger(root, dsn)

    def build(self, *, is_full_refresh: bool = False) -> None:
        """Pin the ledger, build and test every model, and publish.

        Raises:
            BuildFailedError: a model or a test failed, or the publish was refused.
            UnavailableError: the ledger or the storage does not answer.
        """
        with dbt_lock(self._dsn, is_alone=True):
            self.ledger.note_published()
            self.ledger.pin()
            reach("lakehouse.pinned")
            self.register()
            self.dbt(*_BUILD, *(["--full-refresh"] if is_full_refresh else []))
            reach("lakehouse.built")
            self.publish()

    def publish(self) -> None:
        """Publish what is built, and note it in the ledger. Raises BuildFailedError if refused."""
        self.dbt("run-operation", "publish")
        reach("lakehouse.published")
        self.ledger.note_published()

    def register(self) -> Any:
        """Tell the engine's catalog where the tables are, and return the session.

        A catalog that knows them keeps them.
        """
        spark = self._sessions.getOrCreate()
        spark.conf.set("spark.sql.session.timeZone", "UTC")
        for schema, names in _tables().items():
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
                errors.append(event.info.msg)

        with tempfile.TemporaryDirectory() as target:
            run = dbtRunner(callbacks=[collect]).invoke(
                [*_QUIET, *command, *_PLACE, "--target-path", target]
            )
        if not run.success:
            said = _failed_nodes(run.result) or errors or [str(run.exception)]
            raise BuildFailedError(f"dbt {command[0]}: {'; '.join(map(_one_line, said))}")

    def _register(self, spark: Any, schema: str, name: str) -> None:
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
        return f"{self._root}/{schema}/{name}"

    def _is_table(self, schema: str, name: str) -> bool:
        return LakeTable(self._place(schema, name)).exists()


def _tables() -> dict[str, list[str]]:
    models = [path.stem for path in _PROJECT.glob("models/*/*.sql")]
    return {
        "raw": [f"{name}_rows" for name in SOURCES],
        "ops": ["loads", "rejects"],
        "build": [*models, "outcomes"],
        "published": [*models, "current"],
    }


def _failed_nodes(result: Any) -> list[str]:
    """Return name and message of each node that failed, as Cosmos writes them.

    An operation has no message there.
    """
    nodes = getattr(result, "results", None) or ()
    failed = [node for node in nodes if node.status in ("error", "fail", "runtime error")]
    return [f"{node.node.name}: {node.message}" for node in failed if node.message]


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_MAX_REASON]


def _column(field: Any) -> str:
    nullability = "" if field.nullable else " not null"
    return f"`{field.name}` {field.dataType.simpleString()}{nullability}"


def _record_keys(sources: Sequence[Source]) -> str:
    """Return a query of the key of each raw row of each source that has one."""
    selects = [
        _KEYS.format(", ".join(_key_parts(source)), source.name)
        for source in sources
        if source.key_columns
    ]
    return " union all ".join(selects) or _NO_KEYS


def _key_parts(source: Source) -> Iterator[str]:
    for name, type_ in source.key_columns.items():
        value = f"unix_micros(`{name}`)" if type_.startswith("timestamp") else f"`{name}`"
        yield f"length(cast({value} as string)), ':', cast({value} as string)"


def main(
    full_refresh: Annotated[bool, typer.Option("--full-refresh")] = False,
    drop_unowned: Annotated[bool, typer.Option("--drop-unowned", hidden=True)] = False,
) -> None:
    """Build, test and publish the marts. `python -m scripts.dbt` runs it with its environment."""
    del drop_unowned  # a lakehouse keeps the tables of models that were deleted
    engine = settings.deployment().engine()
    signal.alarm(
        engine.timeout_seconds
    )  # its default action ends the process, whatever it waits for
    settings.enter_dbt_settings(settings.run_settings_from_env())
    dsn = settings.transformer_dsn_from_env()
    SparkMarts(engine.root, dsn, engine.remote).build(is_full_refresh=full_refresh)


if __name__ == "__main__":
    run_cli(main)
