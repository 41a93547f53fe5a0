"""The environment of the local stack's Airflow."""

from pathlib import Path

import pytest

from local.airflow import environment
from local.state import StackOptions, StackState
from scripts.errors import ConfigurationError

pytestmark = pytest.mark.unit
_NAME = "PIPELINE_LOCAL_AIRFLOW_ENV"


def test_an_experiment_is_laid_over_it_and_nothing_else_leaks_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "of another Airflow")
    monkeypatch.setenv(_NAME, '{"AIRFLOW__CORE__PARALLELISM": "1"}')

    found = environment(tmp_path, StackState())

    assert found["AIRFLOW__CORE__PARALLELISM"] == "1"
    assert found["AIRFLOW__CORE__EXECUTOR"] == "prompt_executor.PromptLocalExecutor"


@pytest.mark.parametrize(
    ("workers", "executor", "sleep"),
    [(0, "prompt_executor.PromptLocalExecutor", "0"), (2, "CeleryExecutor", "0.3")],
)
def test_the_scheduler_sleeps_where_its_executor_does_not_wait(
    tmp_path: Path, workers: int, executor: str, sleep: str
) -> None:
    found = environment(tmp_path, StackState(options=StackOptions(workers=workers)))

    assert found["AIRFLOW__CORE__EXECUTOR"] == executor
    assert found["AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME"] == sleep


def test_an_experiment_that_is_no_object_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(_NAME, "[1]")
    with pytest.raises(ConfigurationError, match=_NAME):
        environment(tmp_path, StackState())


@pytest.mark.parametrize(
    ("system", "single", "start"), [("Linux", None, "fork"), ("Darwin", "true", None)]
)
def test_dbt_is_one_task_where_tasks_would_load_it_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    single: str | None,
    start: str | None,
) -> None:
    monkeypatch.delenv("PIPELINE_DBT_SINGLE_TASK", raising=False)
    monkeypatch.setattr("platform.system", lambda: system)
    found = environment(tmp_path, StackState())
    assert found.get("PIPELINE_DBT_SINGLE_TASK") == single
    assert found.get("AIRFLOW__SCHEDULER__MP_START_METHOD") == start
    monkeypatch.setenv("PIPELINE_DBT_SINGLE_TASK", "false")
    assert environment(tmp_path, StackState())["PIPELINE_DBT_SINGLE_TASK"] == "false"
