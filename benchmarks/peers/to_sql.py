"""pandas ``to_sql``. Invariant: the table is there, typed and with its key; rows are appended.

Arguments: `object` (a file), `dsn`.
"""

from typing import Any

import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]
import psycopg2  # type: ignore[import-untyped]
from sqlalchemy import create_engine

from benchmarks import probe

_CHUNK = 10_000


def job(arguments: dict[str, Any]) -> int:
    """Read the array, append it to the table, and return how many rows."""
    engine = create_engine(
        "postgresql+psycopg2://",
        creator=lambda: psycopg2.connect(arguments["dsn"]),
        executemany_mode="values_plus_batch",
    )
    frame = pd.read_json(arguments["object"])
    with engine.begin() as connection:
        frame.to_sql(
            "typed_rows",
            connection,
            schema="posts",
            if_exists="append",
            index=False,
            chunksize=arguments.get("chunk", _CHUNK),
            method=arguments.get("method"),
        )
    return len(frame)


if __name__ == "__main__":
    probe.run(job)
