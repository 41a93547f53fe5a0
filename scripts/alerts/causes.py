"""What must change in the table, from what is seen. Invariant: pure; the same state, the same plan.

A consequence is no second cause: while a transform fails, its days are unpublished and its marts
grow stale, and nobody needs to be told three times.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from scripts.alerts.incident import FAILURES, Incident, IncidentRecord, Kind

_STALE_BECAUSE = FAILURES | {
    Kind.NO_ANSWER,
    Kind.DAY_LATE,
    Kind.LOAD_UNPUBLISHED,
    Kind.OBJECT_PARKED,
}


@dataclass(frozen=True)
class Plan:
    """Incidents to open or to see again, and fingerprints to close."""

    see: list[Incident]
    close: list[str]


def plan(
    present: Iterable[Incident],
    open_now: Collection[IncidentRecord],
    observed: Collection[Kind],
    succeeded: Collection[str] = (),
) -> Plan:
    """Hold what is wrong now against what is open.

    Args:
        present: what is wrong now.
        open_now: what is open in the table.
        observed: the classes that could be looked at: only those are closed.
        succeeded: failures of runs that a later run has ended; a failed run that is merely gone
            from the lookback has not recovered.
    """
    wrong = {incident.fingerprint: incident for incident in present}
    known = {one.incident.fingerprint: one.incident for one in open_now}
    causes = [*wrong.values(), *known.values()]
    see = [
        incident
        for fingerprint, incident in wrong.items()
        if fingerprint in known or not any(_explains(cause, incident) for cause in causes)
    ]
    over = [
        fingerprint
        for fingerprint, incident in known.items()
        if fingerprint not in wrong
        and incident.kind in observed
        and (incident.kind not in FAILURES or fingerprint in succeeded)
    ]
    return Plan(see, over)


def _explains(cause: Incident, incident: Incident) -> bool:
    """Return whether `incident` only follows from `cause`."""
    is_failure = cause.kind in FAILURES
    if incident.kind is Kind.DAY_LATE:
        is_its_ingest = is_failure and cause.subject == f"ingest_{incident.subject}"
        return is_its_ingest and cause.day == incident.day
    if incident.kind is Kind.LOAD_UNPUBLISHED:
        return (is_failure and cause.subject == "transform_posts") or cause.kind is Kind.NO_ANSWER
    if incident.kind is Kind.MARTS_STALE:
        return cause.kind in _STALE_BECAUSE
    return False
