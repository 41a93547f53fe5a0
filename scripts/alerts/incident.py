"""The incident and its record. Invariant: the texts of an incident never contain a secret.

The fingerprint identifies a cause: its subject (a source, a DAG, a file, a component), its class,
and its day if it has one. The three classes of a failed run share one fingerprint, because a failed
task and the failed run that contains it are one cause.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self
from urllib.parse import quote

import msgspec

from scripts.alerts.redaction import clean

_MAX_SUBJECT = 200  # characters
_MAX_URL = 800
_URL = "/:?&=#%+@~,;!$'()*"  # allowed in a link: no space, and no character that ends a link


class Kind(StrEnum):
    """The classes of incidents. The value is the anchor of the section in the run book."""

    RUN_FAILED = "run-failed"
    RUN_TIMED_OUT = "run-timed-out"
    DBT_TEST_FAILED = "dbt-test-failed"
    DAY_LATE = "day-late"
    LOAD_UNPUBLISHED = "load-unpublished"
    MARTS_STALE = "marts-stale"
    VOLUME_UNUSUAL = "volume-unusual"
    OBJECT_PARKED = "object-parked"
    MANY_REJECTS = "many-rejects"
    OBJECT_DELETED = "object-deleted"
    MART_UNOWNED = "mart-unowned"
    LOCK_HELD = "lock-held"
    DAG_IMPORT_ERROR = "dag-import-error"
    NO_HEARTBEAT = "no-heartbeat"
    NO_ANSWER = "no-answer"
    DELIVERY_FAILED = "delivery-failed"


FAILURES = frozenset({Kind.RUN_FAILED, Kind.RUN_TIMED_OUT, Kind.DBT_TEST_FAILED})


class Incident(msgspec.Struct, frozen=True):
    """A problem. Create it with `new`, which redacts. The constructor is for stored incidents."""

    kind: Kind
    subject: str  # the source, DAG, file or component that has the problem
    day: date | None = None  # of the data, if the problem concerns one day
    facts: dict[str, str] = {}  # by label, in display order. Each one is plain text in one line.
    links: dict[str, str] = {}  # URLs by label, the most useful one first

    @classmethod
    def new(
        cls,
        kind: Kind,
        subject: str,
        day: date | None = None,
        facts: Mapping[str, str] | None = None,
        links: Mapping[str, str] | None = None,
    ) -> Self:
        """Create an incident from texts of any origin. Each text is redacted and shortened."""
        cleaned = {label: clean(text) for label, text in (facts or {}).items()}
        urls = {
            label: quote(clean(url, _MAX_URL), safe=_URL) for label, url in (links or {}).items()
        }
        return cls(kind, clean(subject, _MAX_SUBJECT), day, cleaned, urls)

    @property
    def fingerprint(self) -> str:
        """The cause, as ``subject/class`` or ``subject/class/day``."""
        cause = Kind.RUN_FAILED if self.kind in FAILURES else self.kind
        parts = [self.subject, cause, *([self.day.isoformat()] if self.day else [])]
        return "/".join(parts)


@dataclass(frozen=True)
class IncidentRecord:
    """An incident as stored in ``ops.incidents``. Without the warehouse it has no number."""

    incident: Incident
    incident_id: int | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    seen: int = 1

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of ``ops.incidents`` or ``ops.v_health_incidents``, with details as text."""
        incident = {**row, **msgspec.json.decode(row["details"])}
        return msgspec.convert({**row, "incident": incident}, cls)

    @property
    def lasted(self) -> timedelta:
        """The time from open to close in whole seconds, or 0 if the incident is open."""
        if not (self.opened_at and self.closed_at):
            return timedelta(0)
        return timedelta(seconds=round((self.closed_at - self.opened_at).total_seconds()))


class FailedTest(msgspec.Struct, frozen=True):
    """A dbt test that found invalid rows."""

    name: str
    failures: int  # the number of invalid rows
    keys: tuple[str, ...] = ()  # of the first rows, as "post_id=7, day=2026-01-31", if known
    severity: Literal["error", "warn"] = "error"  # only an error blocks the publish

    def line(self) -> str:
        """Return the test as one line."""
        keys = f": {'; '.join(self.keys)}" if self.keys else ""
        return f"{self.name} found {self.failures}{keys}"


def no_answer(component: str, error: Exception) -> Incident:
    """Return the incident of a component that does not answer, such as the warehouse."""
    text = f"{type(error).__name__}: {error}"
    return Incident.new(Kind.NO_ANSWER, component, facts={"Error": text})
