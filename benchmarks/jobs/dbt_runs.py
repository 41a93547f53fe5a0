"""dbt commands in a process that has imported dbt and parsed the project, as in Airflow's tasks.

Argument: a JSON array of command lines. The first one is not timed. Prints the wall seconds of the
others as a JSON array. Raises RuntimeError with the command that failed.
"""

import json
import sys
import time

from dbt.cli.main import dbtRunner


def run(command: list[str]) -> float:
    """Run a dbt command and return its wall seconds."""
    started = time.perf_counter()
    if not dbtRunner().invoke(command).success:
        raise RuntimeError(f"dbt failed: {' '.join(command)}")
    return time.perf_counter() - started


if __name__ == "__main__":
    warm_up, *commands = json.loads(sys.argv[1])
    run(warm_up)
    sys.stdout.write(json.dumps([run(command) for command in commands]))
