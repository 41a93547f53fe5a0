"""A Celery worker and its child processes die in the middle of a load."""

from contextlib import suppress

import psutil
import psycopg
import pytest

from local.processes import ManagedProcess
from local.stack import Stack
from scripts.landing.keys import parse_day
from scripts.warehouse.ledger import lock_day
from tests.stack import LocalStack, now, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

_DAY = "2026-01-09"
_LOADERS = """
    select pid from pg_stat_activity
    where datname = 'warehouse' and wait_event = 'transactionid' and state = 'active'
"""


def test_tasks_ran_in_the_workers(stack: LocalStack) -> None:
    runs = stack.airflow.runs_since("ingest_posts", now().replace(year=2020))
    [task] = stack.airflow.tasks("ingest_posts", runs[0]["dag_run_id"])
    assert task["executor"] in {None, "CeleryExecutor"}
    workers = [process for name, process in _processes(stack).items() if "worker" in name]
    assert len(workers) == 2
    assert any("execute_workload[" in worker.log.read_text() for worker in workers)


def test_a_worker_killed_in_the_middle_of_a_load_costs_a_retry_and_no_row(
    stack: LocalStack,
) -> None:
    """The test kills the worker while the load waits for the day's lock, which the test holds."""
    with psycopg.connect(stack.known["warehouse_loader_dsn"]) as holder:
        lock_day(holder, "posts", parse_day(_DAY))
        started = now()
        assert stack.run_by_hand("ingest_posts", {"day": _DAY})[1] == "success"
        wait_for(lambda: stack.query(_LOADERS), bool, 90)
        killed = _kill_the_worker_of_the_load(stack)
        assert _processes(stack)[killed].state() == "dead"

    runs = stack.transforms_settled(started, seconds=240)
    assert runs[-1]["state"] == "success"
    tasks = stack.airflow.tasks("transform_posts", runs[-1]["dag_run_id"])
    assert next(task["try_number"] for task in tasks if task["task_id"] == "load") > 1
    assert stack.query("select count(*) from raw.posts where day = %s", _DAY) == [(137,)]
    assert stack.query(
        "select count(*), sum(received) from ops.loads where day = %s and is_current", _DAY
    ) == [(1, 137)]
    assert stack.query(
        "select count(*) from raw.posts_rows where load_id in "
        "(select load_id from ops.loads where day = %s)",
        _DAY,
    ) == [(137,)]


def test_the_dead_worker_is_named_and_comes_back(stack: LocalStack) -> None:
    assert "died" in stack.command("status").stdout
    assert stack.command("up").returncode == 0
    assert set(stack.facts["processes"].values()) == {"running"}


def _processes(stack: LocalStack) -> dict[str, ManagedProcess]:
    return Stack(stack.folder).processes()


def _kill_the_worker_of_the_load(stack: LocalStack) -> str:
    """Kill the worker that runs the load and its child processes, like a machine failure."""
    for name, managed in _processes(stack).items():
        process = managed.process()
        if not name.startswith("worker") or process is None:
            continue
        family = [process, *process.children(recursive=True)]
        if any(_talks_to_postgres(member, stack) for member in family):
            for member in family:
                with suppress(psutil.NoSuchProcess):  # processes of the pool may have ended
                    member.kill()
            psutil.wait_procs(family, timeout=10)
            return name
    raise AssertionError("no worker waits for the lock")


def _talks_to_postgres(process: psutil.Process, stack: LocalStack) -> bool:
    [(port,)] = stack.query("select inet_server_port()")
    waiting = "select client_port from pg_stat_activity where wait_event = 'transactionid'"
    ports = {client for (client,) in stack.query(waiting)}
    return any(
        c.raddr and c.raddr.port == port and c.laddr.port in ports
        for c in process.net_connections(kind="tcp")
    )
