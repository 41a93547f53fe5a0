"""The safe path, as ``watch_pipeline`` calls it. Invariant: it reports its own failure."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from callbacks.lookup import airflow_url, channels, find_connection, warehouse_dsn
from scripts.settings import api_of, deployment

if TYPE_CHECKING:
    from scripts.alerts.airflow_api import AirflowApi
    from scripts.errors import UnavailableError
    from scripts.reconcile.watch import PipelineState
    from scripts.settings import RunSettings

_SECONDS = 20
_NOTE = "told_without_table"
_log = logging.getLogger(__name__)


def report_pipeline_state(
    seen: PipelineState | UnavailableError, settings: RunSettings, memory: Any
) -> bool:
    """Tell what is wrong, and what is over; return whether that could be done.

    Args:
        seen: the landing zone and the ledger, or why they could not be seen.
        settings: deadlines and thresholds.
        memory: keeps a note from run to run (``get`` and ``set``), while there is no warehouse.
    """
    from scripts.alerts.monitor import MonitorContext, monitor

    is_known = find_connection("airflow_api") is not None
    post = MonitorContext(
        warehouse_dsn(),
        channels(),
        deployment(),
        settings,
        airflow_url(),
        _airflow_api if is_known else None,
    )
    try:
        before = memory.get(_NOTE) or []
        after = monitor(post, seen, before)
        if after != before:
            memory.set(_NOTE, after)
    except Exception as error:  # noqa: BLE001 - what is pending must be started all the same
        # Only the type and the place: a library's text may hold a secret.
        _log.error("the watch failed: %s at %s", type(error).__name__, _place_of(error))
        return False
    return True


def _airflow_api() -> AirflowApi:
    from scripts.alerts.airflow_api import AirflowApi

    return AirflowApi(api_of(find_connection("airflow_api"), "airflow_api"), _SECONDS)


def _place_of(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
