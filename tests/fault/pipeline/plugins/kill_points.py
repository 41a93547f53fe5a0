"""Kill points at the edges of every task: ``<dag>.<task>.started`` and ``<dag>.<task>.told``.

A task reaches the second after it has reported its success and its event to Airflow, and before its
process ends.
"""

from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from scripts.killpoints import reach


class _Edges:
    @hookimpl
    def on_task_instance_running(self, task_instance: Any) -> None:
        reach(f"{task_instance.dag_id}.{task_instance.task_id}.started")

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        reach(f"{task_instance.dag_id}.{task_instance.task_id}.told")


_LISTENERS: list[Any] = [_Edges()]


class KillPoints(AirflowPlugin):
    name = "kill_points"
    listeners = _LISTENERS
