"""The safe path of alerts, which ``watch_pipeline`` calls. Invariant: it logs its own failure."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any

from callbacks.lookup import airflow_url, channels, find_connection, warehouse_dsn
from scripts.settings import api_of, deployment

if TYPE_CHECKING:
    from scripts.errors import UnavailableError
    from scripts.reconcile.watch import PipelineState
    from scripts.settings import RunSettings

_API_SECONDS = 20
_NOTE = "unrecorded_alerts"
_log = logging.getLogger(__name__)


def report_pipeline_state(
    state: PipelineState | UnavailableError, settings: RunSettings, memory: Any
) -> bool:
    """Report problems and recoveries. Return whether that succeeded.

    `state` is the result or the error of the watch. `memory` stores a note between runs (``get``
    and ``set``) while the warehouse does not answer.
    """
    from scripts.alerts.airflow_api import AirflowApi
    from scripts.alerts.monitor import MonitorContext, monitor

    def open_api() -> AirflowApi:
        return AirflowApi(api_of(connection, "airflow_api"), _API_SECONDS)

    connection = find_connection("airflow_api")
    api = open_api if connection else None
    inputs = MonitorContext(warehouse_dsn(), channels(), deployment(), settings, airflow_url(), api)
    try:
        note = memory.get(_NOTE) or []
        new_note = monitor(inputs, state, note)
        if new_note != note:
            memory.set(_NOTE, new_note)
    except Exception as error:  # noqa: BLE001 - pending work must start even if alerting fails
        # Only the type and the place, because the text of a library's error can contain a secret.
        file, line, *_ = traceback.extract_tb(error.__traceback__)[-1]
        _log.error("alerting failed: %s at %s:%s", type(error).__name__, file, line)
        return False
    return True
