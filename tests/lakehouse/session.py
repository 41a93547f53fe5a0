"""A program in ``.tools/spark`` that keeps one session of the engine and obeys its parent.

Each line of its input is a JSON list: a command and its arguments. It answers each with a line.
`Session` is the parent's side.
"""

import json
import os
import subprocess
import sys
from typing import Any

from scripts.errors import PipelineError
from scripts.warehouse.spark_marts import SparkMarts

_ANSWER = "answer: "


class Session:
    """The program, with the tables below a root and the ledger of a DSN."""

    def __init__(self, python: str, root: str, dsn: str, remote: str) -> None:
        place = {"SPARK_REMOTE": remote, "PIPELINE_LAKEHOUSE_ROOT": root, "TZ": "UTC"}
        own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.process = subprocess.Popen(
            [python, "-m", "tests.lakehouse.session", root, dsn, remote],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**own, **place},
        )

    def ask(self, *command: str) -> Any:
        """Return the answer to a command. Raises AssertionError with its error."""
        self.send(*command)
        answer = self.receive()
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def problem(self, *command: str) -> str:
        """Return the error of a command that must fail."""
        self.send(*command)
        return str(self.receive()["error"])

    def send(self, *command: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith(_ANSWER):
                return dict(json.loads(line.removeprefix(_ANSWER)))
        raise AssertionError(f"the session ended with status {self.process.wait()}")

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()
        self.process.kill()
        self.process.wait()


def main(root: str, dsn: str, remote: str) -> None:
    """Obey until the input ends."""
    marts = SparkMarts(root, dsn, remote)
    spark = marts.register()

    def cells(rows: Any) -> Any:
        return [[f"{type(value).__name__} {value}" for value in row] for row in rows.collect()]

    commands: dict[str, Any] = {
        "build": marts.build,
        "publish": marts.publish,
        "dbt": marts.dbt,
        "pin": marts.ledger.pin,
        "query": lambda statement: cells(spark.sql(statement)),
        "rows": lambda table: cells(spark.table(table)),
    }
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        try:
            answer = {"value": commands[command](*arguments)}
        except PipelineError as error:
            answer = {"error": str(error)}
        sys.stdout.write(f"{_ANSWER}{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
