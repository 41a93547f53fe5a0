"""Airflow's connections and the Variable ``pipeline`` as plain values for scripts/.

Invariant: they are read at run time, inside a task, and never while a DAG file is parsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbacks.lookup import find_connection, transformer_dsn, warehouse_dsn
from scripts.errors import UnavailableError
from scripts.settings import (
    Endpoint,
    EnvConnection,
    RunSettings,
    api_of,
    deployment,
)

if TYPE_CHECKING:
    from scripts.landing.store import Store
    from sources.declaration import Api

_AIRFLOW = "ExecutionAPISecretsBackend"
__all__ = ["api_endpoint", "landing_store", "run_settings", "transformer_dsn", "warehouse_dsn"]


def run_settings() -> RunSettings:
    """Read the Airflow variable ``pipeline`` (a JSON object, may be absent) over the defaults.

    Raises:
        ConfigurationError: it is not a JSON object, or a setting is wrong.
        UnavailableError: a place where it may be does not answer.
    """
    return RunSettings.parse_text(_variable("pipeline"))


def _variable(key: str) -> str | None:
    """Return the text of a variable, or None if no backend has it.

    ``Variable.get`` gives its default, too, where a backend does not answer or JSON is broken.
    """
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    for backend in ensure_secrets_backend_loaded():
        name = type(backend).__name__
        try:
            text = _asked(key) if name == _AIRFLOW else backend.get_variable(key=key)
        except Exception as error:
            raise UnavailableError(
                f"cannot read Variable {key}: {name} raised {type(error).__name__}"
            ) from error
        if text is not None:
            return text
    return None


def _asked(key: str) -> str | None:
    """Ask Airflow itself, whose backend hides the difference between no answer and no variable."""
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetVariable, VariableResult

    answer = task_runner.SUPERVISOR_COMMS.send(GetVariable(key=key))
    if isinstance(answer, VariableResult):
        return answer.value
    if getattr(answer, "error", None) == ErrorType.VARIABLE_NOT_FOUND:
        return None
    raise UnavailableError(f"Airflow answers {getattr(answer, 'error', answer)!s:.100}")


def landing_store(aws_conn_id: str = "aws_default") -> Store:
    """Open the landing bucket with an AWS connection."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from scripts.landing.store import CLIENT_CONFIG, Store, readable_settings

    with readable_settings():
        client = S3Hook(aws_conn_id=aws_conn_id, config=CLIENT_CONFIG).get_conn()
    return Store(client, deployment().bucket())


def api_endpoint(api: Api) -> Endpoint:
    """Return the address and the secrets of an API. Without a connection it has no secrets."""
    found = find_connection(api.connection) or EnvConnection()
    return api_of(found, api.connection, api.base_url)
