"""Copy the raw tables of PostgreSQL into Delta tables. Runs in ``.tools/spark``."""

from typing import Any

import psycopg
import pyarrow as pa
from deltalake import write_deltalake
from psycopg import sql

from sources import SOURCES, Source

_TYPES = {
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
}


def copy_raw(dsn: str, root: str) -> None:
    """Replace each Delta table below ``raw`` by the rows of every load."""
    with psycopg.connect(dsn) as connection:
        for source in SOURCES.values():
            fields = _fields(source)
            names = [
                sql.SQL("{}" if field.type != pa.string() else "{}::text").format(
                    sql.Identifier(field.name)
                )
                for field in fields
            ]
            select = sql.SQL("select {} from {}").format(
                sql.SQL(", ").join(names), sql.Identifier("raw", f"{source.name}_rows")
            )
            rows: list[Any] = connection.execute(select).fetchall()
            columns = [
                pa.array([row[at] for row in rows], field.type) for at, field in enumerate(fields)
            ]
            write_deltalake(
                f"{root}/raw/{source.name}_rows",
                pa.table(columns, schema=pa.schema(fields)),
                mode="overwrite",
                partition_by=["load_id"],
            )


def _fields(source: Source) -> list[pa.Field]:
    return [
        pa.field("load_id", pa.int64(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        *(pa.field(c.name, _TYPES.get(c.type, pa.string())) for c in source.columns),
        pa.field("extra", pa.string()),
    ]
