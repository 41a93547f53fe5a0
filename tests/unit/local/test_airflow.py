"""The environment of the local stack's Airflow."""

from pathlib import Path

import pytest

from scripts.errors import ConfigurationError
from scripts.local.airflow import environment
from scripts.local.state import State

pytestmark = pytest.mark.unit
_NAME = "PIPELINE_LOCAL_AIRFLOW_ENV"


def test_an_experiment_is_laid_over_it_and_nothing_else_leaks_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "of another Airflow")
    monkeypatch.setenv(_NAME, '{"AIRFLOW__CORE__PARALLELISM": "1"}')

    found = environment(tmp_path, State())

    assert found["AIRFLOW__CORE__PARALLELISM"] == "1"
    assert found["AIRFLOW__CORE__EXECUTOR"] == "prompt_executor.PromptLocalExecutor"


def test_an_experiment_that_is_no_object_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(_NAME, "[1]")
    with pytest.raises(ConfigurationError, match=_NAME):
        environment(tmp_path, State())
