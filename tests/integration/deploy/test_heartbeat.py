"""The health check of a component tells a living one from a silent one."""

import os
import socket
import subprocess
import sys

import psycopg
import pytest

from local.postgres import PostgresServer
from local.processes import free_port
from local.state import ROOT

pytestmark = pytest.mark.integration

_JOB = """
    create table job (
        job_type varchar(30), state varchar(20), latest_heartbeat timestamptz, hostname varchar(500)
    )
"""
_INSERT = "insert into job values (%s, %s, now() - make_interval(secs => %s), %s)"


def _check(dsn: str, job_type: str) -> int:
    says = f"echo '{dsn}'"
    env = {
        **os.environ,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": says,
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, str(ROOT / "deploy" / "airflow" / "heartbeat.py"), job_type]
    return subprocess.run(command, env=env, check=False, stderr=subprocess.DEVNULL).returncode


@pytest.mark.parametrize(
    ("state", "age", "host", "status"),
    [
        ("running", 1, socket.gethostname(), 0),
        ("running", 90, socket.gethostname(), 1),
        ("success", 1, socket.gethostname(), 1),
        ("running", 1, "another", 1),
    ],
)
def test_only_a_fresh_heartbeat_of_this_host_counts(
    postgres: PostgresServer, state: str, age: int, host: str, status: int
) -> None:
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute("drop database if exists metadata_of_jobs")
        connection.execute("create database metadata_of_jobs")
    with psycopg.connect(postgres.dsn("metadata_of_jobs")) as connection:
        connection.execute(_JOB)
        connection.execute(_INSERT, ["TriggererJob", state, age, host])
    where = f"127.0.0.1:{postgres.port}/metadata_of_jobs"
    dsn = f"postgresql+psycopg2://postgres:{postgres.password}@{where}"
    assert _check(dsn, "TriggererJob") == status
    assert _check(dsn, "DagProcessorJob") == 1


def test_a_database_that_is_away_is_a_failed_check() -> None:
    assert _check(f"postgresql+psycopg2://a:b@127.0.0.1:{free_port()}/none", "TriggererJob") == 1
