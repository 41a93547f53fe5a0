"""Airflow's connections and variable become plain values."""

import json
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse, VariableResult

from dags.common.connections import api_endpoint, run_settings, transformer_dsn, warehouse_dsn
from scripts.errors import ConfigurationError, UnavailableError
from scripts.settings import RunSettings
from sources.jsonplaceholder import API

pytestmark = pytest.mark.unit


def _connection(monkeypatch: pytest.MonkeyPatch, name: str, **parts: object) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(parts))


def test_run_settings_are_the_variable_over_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_PIPELINE", '{"max_pages": 3}')
    assert (run_settings().max_pages, run_settings().http_retries) == (3, 4)
    monkeypatch.setenv("AIRFLOW_VAR_PIPELINE", '{"max_page": 3}')
    with pytest.raises(ConfigurationError, match="max_page"):
        run_settings()


@pytest.mark.parametrize("text", ['{"max_pages": 3,}', "null", "[]", "3", '"x"', "{", "{}{}"])
def test_settings_that_cannot_be_read_are_an_error_and_not_the_defaults(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_PIPELINE", text)
    with pytest.raises(ConfigurationError, match="Variable pipeline is not a JSON object"):
        run_settings()


@pytest.mark.parametrize("text", ["", None])
def test_without_settings_the_defaults_apply(
    monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    monkeypatch.delenv("AIRFLOW_VAR_PIPELINE", raising=False)
    if text is not None:
        monkeypatch.setenv("AIRFLOW_VAR_PIPELINE", text)
    assert run_settings() == RunSettings()


class _Away:
    """A secrets backend that does not answer."""

    def get_variable(self, key: str) -> str:
        raise ConnectionError(key)


def test_a_secrets_backend_that_does_not_answer_is_not_taken_for_no_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backends = "airflow.sdk.execution_time.supervisor.ensure_secrets_backend_loaded"
    monkeypatch.setattr(backends, lambda: [_Away()])
    with pytest.raises(UnavailableError, match="_Away raised ConnectionError"):
        run_settings()


class ExecutionAPISecretsBackend(_Away):
    """The name of Airflow's own backend, which a task asks through its supervisor."""


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (VariableResult(key="pipeline", value='{"max_pages": 3}'), 3),
        (ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND), 10_000),
        (ErrorResponse(error=ErrorType.API_SERVER_ERROR), None),
    ],
    ids=["found", "absent", "no answer"],
)
def test_what_airflow_answers_about_the_variable_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, answer: object, expected: int | None
) -> None:
    backends = "airflow.sdk.execution_time.supervisor.ensure_secrets_backend_loaded"
    monkeypatch.setattr(backends, lambda: [ExecutionAPISecretsBackend()])
    supervisor = SimpleNamespace(send=lambda _request: answer)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    if expected is None:
        with pytest.raises(UnavailableError, match="cannot read Variable pipeline"):
            run_settings()
    else:
        assert run_settings().max_pages == expected


def test_an_api_without_a_connection_is_where_it_is_declared() -> None:
    assert api_endpoint(API).url == "https://jsonplaceholder.typicode.com"


def test_each_role_has_its_own_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, login in (("WAREHOUSE", "loader"), ("DBT_POSTGRES_CONN", "transformer")):
        _connection(monkeypatch, name, conn_type="postgres", host="h", login=login)
    assert "user=loader" in warehouse_dsn()
    assert "user=transformer" in transformer_dsn()


def test_the_api_is_that_of_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    _connection(monkeypatch, "POSTS_API", conn_type="http", host="https://api.example.com")
    assert api_endpoint(API).url == "https://api.example.com"
