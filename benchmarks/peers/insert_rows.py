"""The Airflow hook's ``insert_rows``. Invariant: our table, one row per record.

Arguments: `object` (a file), `dsn`. With the hook's defaults, as its documentation shows it.
"""

import json
from pathlib import Path
from typing import Any

from airflow.models.connection import Connection
from airflow.providers.postgres.hooks.postgres import PostgresHook
from psycopg.conninfo import conninfo_to_dict

from benchmarks import probe

_FIELDS = ("userId", "id", "title", "body")


def job(arguments: dict[str, Any]) -> int:
    """Insert the records and return their number."""
    place = conninfo_to_dict(arguments["dsn"])
    connection = Connection(
        conn_id="warehouse",
        conn_type="postgres",
        host=str(place["host"]),
        port=int(str(place["port"])),
        schema=str(place["dbname"]),
        login=str(place["user"]),
        password=str(place["password"]),
    )
    records = json.loads(Path(arguments["object"]).read_bytes())
    PostgresHook(connection=connection).insert_rows(
        "raw.hook_rows",
        ((1, i, *map(record.get, _FIELDS)) for i, record in enumerate(records)),
        target_fields=["load_id", "position", "user_id", "id", "title", "body"],
    )
    return len(records)


if __name__ == "__main__":
    probe.run(job)
