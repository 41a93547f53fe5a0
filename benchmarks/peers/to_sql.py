"""pandas ``to_sql``. Invariant: it appends rows to an existing, typed table with a primary key.

Arguments: `object` (a file), `dsn`.
"""

from typing import Any

import pandas as pd
import psycopg2
from sqlalchemy import create_engine

from benchmarks import probe

_CHUNK = 10_000


def job(arguments: dict[str, Any]) -> int:
    """Read the array, append it to the table, and return the number of rows."""
    engine = create_engine(
        "postgresql+psycopg2://", creator=lambda: psycopg2.connect(arguments["dsn"])
    )
    frame = pd.read_json(arguments["object"])
    with engine.begin() as connection:
        frame.to_sql(
            "typed_rows",
            connection,
            schema="posts",
            if_exists="append",
            index=False,
            chunksize=_CHUNK,  # without it, a million rows would be one statement in memory
        )
    return len(frame)


if __name__ == "__main__":
    probe.run(job)
