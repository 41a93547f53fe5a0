"""What an incident is. Invariant: its text is free of secrets from the moment it exists.

A cause is known by its fingerprint: what it is about (a source, a DAG, a file, a part), its class,
and its day where it has one. The three ways in which a run fails share a class there, because the
task that fails and the run that ends with it are one cause.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, Self
from urllib.parse import quote

import msgspec

from scripts.alerts.redaction import clean

_MOST_SUBJECT = 200
_MOST_URL = 800
_URL = "/:?&=#%+@~,;!$'()*"  # what may stand in a link: no space, and no mark that ends one


class Kind(StrEnum):
    """The classes; each one is the anchor of its section in the run book."""

    RUN_FAILED = "run-failed"
    RUN_TIMED_OUT = "run-timed-out"
    DBT_TEST_FAILED = "dbt-test-failed"
    DAY_LATE = "day-late"
    LOAD_UNPUBLISHED = "load-unpublished"
    MARTS_STALE = "marts-stale"
    VOLUME_UNUSUAL = "volume-unusual"
    OBJECT_PARKED = "object-parked"
    MANY_REJECTS = "many-rejects"
    DAG_IMPORT_ERROR = "dag-import-error"
    NO_HEARTBEAT = "no-heartbeat"
    NO_ANSWER = "no-answer"
    DELIVERY_FAILED = "delivery-failed"


FAILURES = frozenset({Kind.RUN_FAILED, Kind.RUN_TIMED_OUT, Kind.DBT_TEST_FAILED})


class Incident(msgspec.Struct, frozen=True):
    """What went wrong.

    Attributes:
        kind: the class.
        subject: what it is about: a source, a DAG, a file, a part of the installation.
        day: the day it is about, where it has one.
        facts: what is known, by label, in the order of showing; plain text of one line each.
        links: where to look, by label; the first one is the most useful.
    """

    kind: Kind
    subject: str
    day: date | None = None
    facts: dict[str, str] = {}
    links: dict[str, str] = {}

    @classmethod
    def new(
        cls,
        kind: Kind,
        subject: str,
        day: date | None = None,
        facts: Mapping[str, str] = MappingProxyType({}),
        links: Mapping[str, str] = MappingProxyType({}),
    ) -> Self:
        """Create an incident from texts of any origin: each one is redacted and shortened, once.

        What reads a stored incident back calls the constructor, which changes nothing.
        """
        urls = {label: quote(clean(url, _MOST_URL), safe=_URL) for label, url in links.items()}
        cleaned = {label: clean(text) for label, text in facts.items()}
        return cls(kind, clean(subject, _MOST_SUBJECT), day, cleaned, urls)

    @property
    def fingerprint(self) -> str:
        """The cause, as ``subject/class`` or ``subject/class/day``."""
        cause = Kind.RUN_FAILED if self.kind in FAILURES else self.kind
        parts = [self.subject, cause, *([self.day.isoformat()] if self.day else [])]
        return "/".join(parts)


@dataclass(frozen=True)
class IncidentRecord:
    """An incident with its life; without the warehouse it has no number."""

    incident: Incident
    incident_id: int | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    seen: int = 1

    @property
    def lasted(self) -> timedelta:
        """How long it lasted, in whole seconds."""
        if not (self.opened_at and self.closed_at):
            return timedelta(0)
        return timedelta(seconds=round((self.closed_at - self.opened_at).total_seconds()))


class FailedTest(msgspec.Struct, frozen=True):
    """A dbt test that found rows which should not be there.

    Attributes:
        name: the test's name in the dbt project.
        failures: how many rows it found.
        keys: of the first of them, as ``post_id=7, day=2026-01-31``; empty where none is known.
        severity: ``error`` publishes nothing until it passes, ``warn`` only tells.
    """

    name: str
    failures: int
    keys: tuple[str, ...] = ()
    severity: Literal["error", "warn"] = "error"

    def line(self) -> str:
        """Return it as one line."""
        keys = f": {'; '.join(self.keys)}" if self.keys else ""
        return f"{self.name} found {self.failures}{keys}"


def no_answer(part: str, error: Exception) -> Incident:
    """Return the incident of a part that does not answer: the warehouse, the landing zone, ..."""
    return Incident.new(Kind.NO_ANSWER, part, facts={"Error": f"{type(error).__name__}: {error}"})
