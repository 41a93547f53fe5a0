"""The monitoring entry point that the DAG calls, with Airflow's connections and stored state."""

from typing import Any

import pytest

from callbacks import report_pipeline_state
from scripts.errors import UnavailableError
from scripts.reconcile.watch import PipelineState
from scripts.settings import RunSettings
from tests.inbox import SECRET, Inbox

pytestmark = pytest.mark.integration

_LATE = PipelineState(late=["posts/2026-01-02"])


class Memory(dict[str, Any]):
    """A stand-in for Airflow's state store, with the methods that the callback uses."""

    def set(self, key: str, value: Any) -> None:
        assert value is not None  # Airflow's store refuses it
        self[key] = value


def test_what_is_late_is_reported_through_airflows_connections(inbox: Inbox) -> None:
    memory = Memory()
    assert report_pipeline_state(_LATE, RunSettings(), memory)
    assert inbox.counts() == (1, 1)
    assert memory == {}


def test_what_was_reported_without_the_warehouse_is_remembered_and_then_forgotten(
    inbox: Inbox,
) -> None:
    memory = Memory()
    there = inbox.monkeypatch.context
    with there() as away:
        away.setenv(
            "AIRFLOW_CONN_WAREHOUSE", '{"conn_type": "postgres", "host": "127.0.0.1", "port": 1}'
        )
        for _ in range(2):
            assert report_pipeline_state(UnavailableError("gone"), RunSettings(), memory)
    assert inbox.counts() == (1, 1)
    assert report_pipeline_state(PipelineState(), RunSettings(), memory)
    assert inbox.counts() == (2, 2)
    assert list(memory.values()) == [[]]


@pytest.mark.usefixtures("inbox")
def test_its_own_failure_is_reported_without_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    memory = Memory({"unrecorded_alerts": f"no list: {SECRET}"})
    assert not report_pipeline_state(_LATE, RunSettings(), memory)
    assert "alerting failed in report: ValidationError at" in caplog.text
    assert SECRET not in caplog.text
