"""A program in ``.tools/spark`` that keeps one session of the engine and obeys its parent.

Each line of its input is a JSON list: a command and its arguments. It answers each with a line.
"""

import json
import sys
from typing import Any

from scripts.errors import PipelineError
from tests.spark.lakehouse import Lakehouse
from tests.spark.raw_copy import copy_raw

ANSWER = "answer: "


def main(root: str, dsn: str, remote: str) -> None:
    """Obey until the input ends."""
    lakehouse = Lakehouse(root, dsn, remote)
    spark = lakehouse.register()

    def cells(rows: Any) -> Any:
        return [[f"{type(value).__name__} {value}" for value in row] for row in rows.collect()]

    commands: dict[str, Any] = {
        "copy_raw": lambda: copy_raw(dsn, root),
        "register": lambda: lakehouse.register() and None,
        "build": lambda: lakehouse.build(deadline_seconds=200),
        "build_within": lambda seconds: lakehouse.build(deadline_seconds=float(seconds)),
        "publish": lakehouse.publish,
        "dbt": lakehouse.dbt,
        "pin": lakehouse.pin,
        "query": lambda statement: cells(spark.sql(statement)),
        "rows": lambda table: cells(spark.table(table)),
    }
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        try:
            answer = {"value": commands[command](*arguments)}
        except PipelineError as error:
            answer = {"error": str(error)}
        sys.stdout.write(f"{ANSWER}{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
