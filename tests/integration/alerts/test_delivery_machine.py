"""Any order of failures, recoveries, silences and outages: each incident is reported once.

The table is real. The channels record what they accept, and can be down.
"""

import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, cast

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from local.processes import free_port
from scripts.alerts import incident_table
from scripts.alerts.channels import Channel, DeliveryError
from scripts.alerts.delivery import (
    STORM,
    deliver,
    report_failure,
    report_recovery,
    send_without_table,
)
from scripts.alerts.incident import Incident, Kind
from scripts.alerts.incident_table import UnrecordedAlert
from scripts.alerts.messages import Notice
from scripts.settings import Deployment
from tests.conftest import Warehouse

pytestmark = pytest.mark.integration

Phase = Literal["opened", "recovered"]
_CAUSES = [
    Incident(Kind.RUN_FAILED, f"ingest_{n}", date(2026, 1, 1), {"Error": "x"})
    for n in range(STORM + 3)
]
_FINGERPRINTS = [cause.fingerprint for cause in _CAUSES]
_NAMES = ("slack", "mail")
_PLACE = Deployment(environment="local")
_cause = st.sampled_from(range(len(_CAUSES)))


class Recorder:
    """A channel that keeps which causes each message named, and refuses while it is down."""

    def __init__(self, name: str, silenced: set[str]) -> None:
        self.name = name
        self.is_down = False
        self.accepted: Counter[tuple[str, Phase]] = Counter()
        self.unnamed: Counter[Phase] = Counter()  # a message about many names the first ten
        self.without_table: Counter[str] = Counter()
        self._silenced = silenced

    def send(self, notice: Notice) -> None:
        if self.is_down:
            raise DeliveryError(f"{self.name} is down")
        texts = [notice.footer, *(text for _, text in notice.details)]
        named = re.findall(r"\S+/run-failed/\S+", " ".join(texts))
        assert named
        if "not recorded" in notice.footer:
            self.without_table.update(named)
            return
        assert not self._silenced.intersection(named)
        phase: Phase = "recovered" if "recovered" in notice.subject else "opened"
        self.accepted.update((fingerprint, phase) for fingerprint in named)
        if many := re.search(r"(\d+) incidents", notice.subject):
            self.unnamed[phase] += int(many[1]) - len(named)


class Incidents(RuleBasedStateMachine):
    """What happens to a few causes, and what each channel must have received in the end."""

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self.dsn = dsn
        self.silenced: set[str] = set()
        self.channels = [Recorder(name, self.silenced) for name in _NAMES]
        self.open: dict[str, set[str]] = {}  # the channels that are told, by open cause
        self.expected: dict[str, Counter[tuple[str, Phase]]] = defaultdict(Counter)
        with psycopg.connect(dsn) as connection:
            connection.execute("delete from ops.deliveries; delete from ops.incidents")
            connection.execute("delete from ops.silences")

    @property
    def _real(self) -> list[Channel]:
        return cast("list[Channel]", self.channels)

    def _query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _seen(self, fingerprint: str) -> None:
        told = self.open.setdefault(fingerprint, set())
        if fingerprint not in self.silenced:
            for name in set(_NAMES) - told:
                self.expected[name][fingerprint, "opened"] += 1
            told.update(_NAMES)

    @rule(cause=_cause)
    def fail(self, cause: int) -> None:
        self._seen(_FINGERPRINTS[cause])
        report_failure(self.dsn, _CAUSES[cause], self._real, _PLACE, is_again=True)

    @rule()
    def fail_all(self) -> None:
        with incident_table.connected(self.dsn) as connection:
            for cause in _CAUSES:
                self._seen(cause.fingerprint)
                incident_table.record_sighting(connection, cause, _NAMES)

    @rule(cause=_cause)
    def recover(self, cause: int) -> None:
        fingerprint = _FINGERPRINTS[cause]
        for name in self.open.pop(fingerprint, set()):
            self.expected[name][fingerprint, "recovered"] += 1
        report_recovery(self.dsn, fingerprint, self._real, _PLACE)

    @rule(cause=_cause)
    def fail_without_the_table(self, cause: int) -> None:
        """The alert goes out without the table, and is recorded later as sent."""
        incident = _CAUSES[cause]
        nowhere = f"host=127.0.0.1 port={free_port()}"
        before = [channel.without_table.total() for channel in self.channels]
        report_failure(nowhere, incident, self._real, _PLACE, is_again=True)
        for channel, count in zip(self.channels, before, strict=True):
            assert channel.without_table.total() - count == (not channel.is_down)

    @rule(cause=_cause)
    def record_what_was_sent_without_the_table(self, cause: int) -> None:
        incident, fingerprint = _CAUSES[cause], _FINGERPRINTS[cause]
        if fingerprint in self.open or fingerprint in self.silenced:
            return
        sent = send_without_table(incident, self._real, _PLACE)
        with incident_table.connected(self.dsn) as connection:
            alert = UnrecordedAlert(incident, datetime.now(UTC), sent)
            incident_table.record_earlier(connection, alert)
        self.open[fingerprint] = set(sent)

    @rule(cause=_cause)
    def silence(self, cause: int) -> None:
        fingerprint = _FINGERPRINTS[cause]
        self.silenced.add(fingerprint)
        until = datetime.now(UTC) + timedelta(hours=1)
        with incident_table.connected(self.dsn) as connection:
            incident_table.silence(connection, fingerprint, until, "https://tickets.example/1")

    @rule()
    def end_the_silences(self) -> None:
        self.silenced.clear()
        self._query("update ops.silences set until_at = clock_timestamp()")

    @rule(number=st.sampled_from([0, 1]), is_down=st.booleans())
    def switch(self, number: int, *, is_down: bool) -> None:
        self.channels[number].is_down = is_down

    @rule()
    def watch(self) -> None:
        self._query("update ops.deliveries set next_try_at = clock_timestamp()")
        with incident_table.connected(self.dsn) as connection:
            deliver(connection, self._real, _PLACE)

    @invariant()
    def nothing_is_told_that_did_not_happen_and_no_end_before_its_beginning(self) -> None:
        for channel in self.channels:
            assert channel.accepted <= self.expected[channel.name]
            for fingerprint in _FINGERPRINTS:
                told = channel.accepted
                sent_before = channel.without_table[fingerprint]
                begun = told[fingerprint, "opened"] + channel.unnamed["opened"] + sent_before
                assert told[fingerprint, "recovered"] <= begun

    @invariant()
    def a_cause_has_at_most_one_open_incident(self) -> None:
        rows = self._query("select fingerprint from ops.incidents where closed_at is null")
        assert sorted(rows) == sorted((fingerprint,) for fingerprint in self.open)

    def teardown(self) -> None:
        """When the outages and the silences are over, every channel knows everything, once."""
        self.end_the_silences()
        for channel in self.channels:
            channel.is_down = False
        self.watch()
        for channel in self.channels:
            missing = self.expected[channel.name] - channel.accepted
            by_phase = Counter(phase for _, phase in missing.elements())
            assert by_phase == channel.unnamed
        assert self._query("select 1 from ops.deliveries where sent_at is null") == []


def test_any_order_of_events_reports_each_incident_once(warehouse: Warehouse) -> None:
    class OfWarehouse(Incidents):
        def __init__(self) -> None:
            super().__init__(warehouse.loader)

    run_state_machine_as_test(
        OfWarehouse,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
