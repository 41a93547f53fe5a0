"""Compute which incidents to record and to close. Invariant: pure. Same state, same plan.

A consequence is not a second cause. While a transform fails, its days stay unpublished and its
marts become stale, but only the failure is reported.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from scripts.alerts.incident import FAILURES, Incident, IncidentRecord, Kind

_CAUSES_OF_STALE_MARTS = FAILURES.union(
    (Kind.NO_ANSWER, Kind.DAY_LATE, Kind.LOAD_UNPUBLISHED, Kind.OBJECT_PARKED)
)


@dataclass(frozen=True)
class Findings:
    """The result of a check: the current problems."""

    incidents: list[Incident]
    unknown: frozenset[Kind] = frozenset()  # classes that could not be checked
    succeeded: frozenset[str] = frozenset()  # fingerprints of failures that a later run resolved


@dataclass(frozen=True)
class Plan:
    """The incidents to open or to record again, and the fingerprints to close."""

    to_record: list[Incident]
    to_close: list[str]


def plan(
    present: Iterable[Incident],
    open_now: Collection[IncidentRecord],
    observed: Collection[Kind],
    succeeded: Collection[str] = (),
) -> Plan:
    """Compare the current problems with the open incidents.

    Incidents are closed only if their class could be checked (`observed`). A failure must also be
    in `succeeded`, because a failed run that is older than the lookback has not recovered.
    """
    current = {incident.fingerprint: incident for incident in present}
    known = {record.incident.fingerprint: record.incident for record in open_now}
    causes = [*current.values(), *known.values()]
    to_record = [
        incident
        for fingerprint, incident in current.items()
        if fingerprint in known or not any(_explains(cause, incident) for cause in causes)
    ]
    to_close = [
        fingerprint
        for fingerprint, incident in known.items()
        if fingerprint not in current
        and incident.kind in observed
        and (incident.kind not in FAILURES or fingerprint in succeeded)
    ]
    return Plan(to_record, to_close)


def _explains(cause: Incident, incident: Incident) -> bool:
    """Return whether `incident` is a consequence of `cause`."""
    is_failure = cause.kind in FAILURES
    if incident.kind is Kind.DAY_LATE:
        is_its_ingest = is_failure and cause.subject == f"ingest_{incident.subject}"
        return is_its_ingest and cause.day == incident.day
    if incident.kind is Kind.LOAD_UNPUBLISHED:
        return (is_failure and cause.subject == "transform_posts") or cause.kind is Kind.NO_ANSWER
    return incident.kind is Kind.MARTS_STALE and cause.kind in _CAUSES_OF_STALE_MARTS
