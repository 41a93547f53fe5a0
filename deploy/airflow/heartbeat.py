"""The health check of a component that serves no page: its own heartbeat in the metadata.

``python -m heartbeat DagProcessorJob`` ends with 1 if the job of this host is silent. It imports no
Airflow, whose start takes seconds of CPU and can push a busy container over its limit of memory.
"""

import os
import shlex
import socket
import subprocess
import sys

import psycopg

_SILENT_SECONDS = 60
_ALIVE = """
    select count(*) from job
    where job_type = %s and hostname = %s and state = 'running'
        and latest_heartbeat > now() - make_interval(secs => %s)
"""


def is_alive(dsn: str, job_type: str, host: str) -> bool:
    """Return whether a running job of this type on this host has sent a heartbeat lately."""
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        row = connection.execute(_ALIVE, [job_type, host, _SILENT_SECONDS]).fetchone()
    return row != (0,)


def address() -> str:
    """Return the DSN of the metadata, which Airflow, too, reads from a command's output."""
    command = shlex.split(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD"])
    found = subprocess.run(command, capture_output=True, check=True, text=True)
    return found.stdout.strip().replace("+psycopg2", "", 1)


if __name__ == "__main__":
    sys.exit(0 if is_alive(address(), sys.argv[1], socket.gethostname()) else 1)
