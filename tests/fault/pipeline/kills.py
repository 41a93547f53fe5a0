"""Faults of processes: kill -9 of tasks at named steps, of dbt, and of Airflow's own processes."""

from functools import partial

from tests.fault.pipeline.fault import ExpectedAlerts, fault
from tests.fault.pipeline.rig import Rig, resume

_RETRIED = "the task is retried, no alert"
_SUCCEEDED = "nothing: Airflow already knew about the success"
_INGEST = {
    "before the upload": "ingest.before_upload",
    "between upload and event": "ingest.after_upload",
    "after the event": "ingest_posts.land.told",
}
_LOAD = {
    "before it reads": "load.before_get",
    "in the middle of COPY": "load.in_copy",
    "after COPY": "load.after_copy",
    "with the day's lock": "load.locked",
    "before COMMIT": "load.before_commit",
    "after COMMIT": "load.after_commit",
    "after its success": "transform_posts.load.told",
}


def _kill_ingest(place: str, rig: Rig) -> None:
    rig.arm(place)
    rig.ingest()
    rig.struck(place)


def _kill_load(place: str, rig: Rig) -> None:
    rig.arm(place)
    rig.drop()
    rig.struck(place)


for _verb, _places, _kill in (("ingest", _INGEST, _kill_ingest), ("load", _LOAD, _kill_load)):
    for _when, _place in _places.items():
        fault(
            f"{_verb} killed {_when}",
            seen=_SUCCEEDED if _place.endswith(".told") else _RETRIED,
            is_first=_place in {"ingest.after_upload", "load.before_commit"},
        )(partial(_kill, _place))


@fault("dbt killed while it builds", seen=_RETRIED, is_first=True)
def _(rig: Rig) -> None:
    with rig.dbt_held_at("build.pinned_loads") as process:
        process.kill()
        rig.mark()


@fault("publish killed in its transaction", seen=_RETRIED)
def _(rig: Rig) -> None:
    with rig.dbt_held_at("marts.fct_posts") as process:
        process.kill()
        rig.mark()


def _kill_component(name: str, rig: Rig) -> None:
    """Kill an Airflow process while a load is stopped in the middle of its COPY."""
    rig.arm("load.in_copy", "SIGSTOP")
    rig.drop()
    load = rig.stopped("load.in_copy")
    rig.kill(name)
    resume(load)


for _name in ("scheduler", "dag-processor", "triggerer", "api-server"):
    fault(
        f"{_name} killed during a load",
        seen=f"`status` says that {_name} is dead. The load ends or is retried",
        is_first=_name == "scheduler",
        alerts=ExpectedAlerts.MAYBE,
    )(partial(_kill_component, _name))


@fault(
    "triggerer dead while an object arrives",
    seen="`status` says that triggerer is dead. The object waits for `watch_pipeline`",
    alerts=ExpectedAlerts.MAYBE,
)
def _(rig: Rig) -> None:
    rig.kill("triggerer")
    rig.drop()
