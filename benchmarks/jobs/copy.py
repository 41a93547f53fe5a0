"""The limit: COPY of ready-made BINARY files, each on its own connection. It does nothing else.

Arguments: `binaries` (files), `table`, `columns`, `dsn`.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from benchmarks import probe

_BLOCK_BYTES = 256 * 1024


def job(arguments: dict[str, Any]) -> int:
    """Copy each file in one transaction and return the number of rows."""
    statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
        sql.Identifier("raw", arguments["table"]),
        sql.SQL(", ").join(map(sql.Identifier, arguments["columns"])),
    )
    files = arguments["binaries"]
    with ThreadPoolExecutor(len(files)) as threads:
        return sum(threads.map(partial(_copy, arguments["dsn"], statement), files))


def _copy(dsn: str, statement: sql.Composed, binary: str) -> int:
    with (
        Path(binary).open("rb", buffering=0) as file,
        psycopg.connect(dsn) as connection,
        connection.cursor() as cursor,
    ):
        with cursor.copy(statement) as copy:
            while block := file.read(_BLOCK_BYTES):
                copy.write(block)
        return cursor.rowcount


if __name__ == "__main__":
    probe.run(job)
