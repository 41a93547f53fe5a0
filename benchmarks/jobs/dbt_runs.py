"""Commands of dbt in a process that has imported it and parsed the project, as Airflow's tasks are.

Argument: a JSON array of command lines, the first of which is not timed. Prints the wall seconds of
the others as a JSON array; raises RuntimeError with the command that failed.
"""

import json
import sys
import time

from dbt.cli.main import dbtRunner


def run(command: list[str]) -> float:
    """Return how long a command of dbt took."""
    started = time.perf_counter()
    if not dbtRunner().invoke(command).success:
        raise RuntimeError(f"dbt failed: {' '.join(command)}")
    return time.perf_counter() - started


if __name__ == "__main__":
    warm_up, *commands = json.loads(sys.argv[1])
    run(warm_up)
    sys.stdout.write(json.dumps([run(command) for command in commands]))
