"""The limit: COPY of a ready-made BINARY file. Invariant: it does nothing else.

Arguments: `binary` (a file), `dsn`.
"""

from pathlib import Path
from typing import Any

import psycopg

from benchmarks import probe

_BLOCK_BYTES = 256 * 1024
_COPY = """
    copy raw.limit_rows (load_id, position, user_id, id, extra, title, body)
    from stdin (format binary)
"""


def job(arguments: dict[str, Any]) -> int:
    """Copy the file in one transaction and return the number of rows."""
    with (
        Path(arguments["binary"]).open("rb", buffering=0) as file,
        psycopg.connect(arguments["dsn"]) as connection,
        connection.cursor() as cursor,
    ):
        with cursor.copy(_COPY) as copy:
            while block := file.read(_BLOCK_BYTES):
                copy.write(block)
        return cursor.rowcount


if __name__ == "__main__":
    probe.run(job)
