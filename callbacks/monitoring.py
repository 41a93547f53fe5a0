"""The safe path of alerts, which ``watch_pipeline`` calls. Invariant: it logs its own failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callbacks.failure import never_raise
from callbacks.lookup import (
    airflow_url,
    channels,
    find_connection,
    transformer_dsn,
    warehouse_dsn,
)
from scripts.settings import RunSettings, api_of, deployment

if TYPE_CHECKING:
    from scripts.alerts.ledger_state import WatchResult

_API_SECONDS = 20
_NOTE = "unrecorded_alerts"


def report_pipeline_state(state: WatchResult, settings: RunSettings, memory: Any) -> bool:
    """Report problems and recoveries. Return whether that succeeded.

    `memory` stores a note between runs (``get`` and ``set``) while the warehouse does not answer.
    """
    from scripts.alerts.airflow_api import AirflowApi
    from scripts.alerts.monitor import MonitorContext, monitor

    def open_api() -> AirflowApi:
        return AirflowApi(api_of(connection, "airflow_api"), _API_SECONDS)

    connection = find_connection("airflow_api")
    api = open_api if connection else None
    dsns = warehouse_dsn(), transformer_dsn()
    inputs = MonitorContext(*dsns, channels(), deployment(), settings, airflow_url(), api)

    def report() -> None:
        note = memory.get(_NOTE) or []
        new_note = monitor(inputs, state, note)
        if new_note != note:
            memory.set(_NOTE, new_note)

    return never_raise(report)  # pending work must start even if alerting fails
