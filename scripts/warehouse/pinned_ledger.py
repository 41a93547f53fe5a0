"""The ledger as a build on a lakehouse reads it. Invariant: PostgreSQL's ledger decides.

Before a build, the current loads and their rejects become two small Delta tables, each in one
commit. ``build.pinned_loads`` in PostgreSQL names the same loads, so clean-up keeps their rows.
After a publish, the ledger notes which loads readers see. The role is transformer.
"""

from collections.abc import Sequence
from typing import Any

from scripts.errors import ConfigurationError
from scripts.warehouse.connection import connect, plain_errors
from scripts.warehouse.lakehouse import LakeTable, library
from sources import SOURCES

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
        and obj_description(oid, 'pg_class') in ('rebuilding', 'recreating')
"""
# dbt on PostgreSQL has a table of this name, too, with more columns.
_PINS = "create table if not exists build.pinned_loads (load_id bigint)"
_UNPIN = "delete from build.pinned_loads"
_PIN = "insert into build.pinned_loads (load_id) select load_id from ops.loads where is_current"
_NOTE = "update ops.loads set published_at = now() where published_at is null and load_id = any(%s)"


class PinnedLedger:
    """The ledger in PostgreSQL, and its copy below the root of a lakehouse.

    Each method may raise UnavailableError.
    """

    def __init__(self, root: str, dsn: str) -> None:
        self._root, self._dsn = root, dsn

    def pin(self) -> None:
        """Overwrite the copy, and pin its loads. Raises ConfigurationError if a table is partial.

        Killed in between, it leaves the loads of the new build pinned and the copy of the old one,
        which no build reads: each build pins first.
        """
        with connect(self._dsn) as connection, plain_errors():
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
            for statement in (_PINS, _UNPIN, _PIN):
                connection.execute(statement)
        arrow = library("pyarrow")
        self._table("ops", "loads").overwrite(_rows(arrow, _loads(arrow), loads))
        self._table("ops", "rejects").overwrite(_rows(arrow, _rejects(arrow), rejects))

    def note_published(self) -> None:
        """Note in the ledger the loads that readers see. After a kill, the next build does it."""
        current = self._table("published", "current")
        if not current.exists():
            return
        (shown,) = current.column("publish_id")
        loads = self._table("published", "pinned_loads").column("load_id", publish_id=shown)
        with connect(self._dsn) as connection, plain_errors():
            connection.execute(_NOTE, [loads])

    def _table(self, schema: str, name: str) -> LakeTable:
        return LakeTable(f"{self._root}/{schema}/{name}")


def _loads(arrow: Any) -> Any:
    return arrow.schema(
        [
            ("load_id", arrow.int64()),
            ("source", arrow.string()),
            ("day", arrow.date32()),
            ("day_kind", arrow.string()),
            ("sha256", arrow.string()),
            ("received", arrow.int64()),
            ("loaded", arrow.int64()),
            ("rejected", arrow.int64()),
            ("is_current", arrow.bool_()),
            ("published_at", arrow.timestamp("us", "UTC")),
        ]
    )


def _rejects(arrow: Any) -> Any:
    names = [("load_id", arrow.int64()), ("position", arrow.int64())]
    return arrow.schema([*names, ("record_key", arrow.string())])


def _rows(arrow: Any, schema: Any, rows: Sequence[tuple[Any, ...]]) -> Any:
    records = [dict(zip(schema.names, row, strict=True)) for row in rows]
    return arrow.Table.from_pylist(records, schema)


def _key_text(source: str, key: dict[str, Any] | None) -> str:
    """Return a key as the view ``ops.record_keys`` has it: each value with its length before it."""
    names = SOURCES[source].key_columns if source in SOURCES else {}
    if not key or names.keys() != key.keys():
        return "{}"
    return "".join(f"{len(str(key[name]))}:{key[name]}" for name in names)
