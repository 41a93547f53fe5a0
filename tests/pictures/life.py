"""The stack in the pictures: a month of history, a green run today, and two problems."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from local.run import INGESTS, TRANSFORM
from tests.pictures import month
from tests.stack import LocalStack, now, started, wait_for

_PAUSED = {
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True"
}  # nothing runs before the month is loaded
_SETTINGS = {
    "PIPELINE_LOCAL_AIRFLOW_ENV": json.dumps(_PAUSED),
    "PIPELINE_RUNBOOK_URL": "https://example.com/runbook.md",
}


@contextmanager
def lived_in_stack(report: Callable[[str], None]) -> Iterator[tuple[LocalStack, str]]:
    """Yield the running stack and the id of the transform run that published everything."""
    report("starting the local stack (about 40 s)")
    with started(_SETTINGS, "up") as stack:
        month.land_and_load(stack, report)
        run_id = _run_today(stack, report)
        month.move_to_their_hours(stack)
        report("running the watch, which sends the alerts")
        _wake(stack, "watch_pipeline")
        _, state = stack.run_by_hand("watch_pipeline", {})
        assert state == "success"
        yield stack, run_id


def _run_today(stack: LocalStack, report: Callable[[str], None]) -> str:
    """Ingest today, and wait for the run that builds and publishes it with the whole month."""
    report("running today's ingests and one transform of the whole month (about 90 s)")
    stack.switch(posts=month.TODAYS_POSTS, seed=month.SEED)
    since = now()
    for dag_id in (TRANSFORM, *INGESTS):  # a paused DAG gets no asset event
        _wake(stack, dag_id)
    ingests = [(dag_id, stack.airflow.trigger(dag_id, {})) for dag_id in INGESTS]
    assert {stack.finished(*run) for run in ingests} == {"success"}
    run = stack.transforms_settled(since)[0]
    assert run["state"] == "success"
    return str(run["dag_run_id"])


def _wake(stack: LocalStack, dag_id: str) -> None:
    wait_for(lambda: stack.airflow.dag(dag_id), bool, 120)
    stack.airflow.pause(dag_id, is_paused=False)
