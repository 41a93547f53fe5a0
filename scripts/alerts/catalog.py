"""The words of each class. Invariant: plain text; the data comes in as one short, clean line."""

from typing import NamedTuple

from scripts.alerts.incident import Kind


class CatalogEntry(NamedTuple):
    """What is said of one class; `title` and `impact` may name ``{subject}`` and ``{day}``.

    Attributes:
        severity: ``error`` wants somebody now, ``warning`` wants a look.
        title: what broke.
        impact: for whom, and what it means for them.
        next: what happens by itself, or that somebody must act.
    """

    severity: str
    title: str
    impact: str
    next: str


_NEXT_RUN = "nothing by itself: mend the cause and clear the run, or let the next run do it"

CATALOG: dict[Kind, CatalogEntry] = {
    Kind.RUN_FAILED: CatalogEntry(
        "error", "{subject} failed", "its data is not fresh until a run of it succeeds", _NEXT_RUN
    ),
    Kind.RUN_TIMED_OUT: CatalogEntry(
        "error",
        "{subject} ran out of time",
        "its data is not fresh until a run of it succeeds",
        _NEXT_RUN,
    ),
    Kind.DBT_TEST_FAILED: CatalogEntry(
        "error",
        "{subject}: a dbt test failed",
        "nothing was published; readers see the marts as they were",
        "nothing by itself: mend the data or the model; the next run builds and tests again",
    ),
    Kind.DAY_LATE: CatalogEntry(
        "error",
        "{subject} has not landed",
        "the day is missing from the marts",
        "nothing by itself: run its ingest DAG for this day",
    ),
    Kind.LOAD_UNPUBLISHED: CatalogEntry(
        "error",
        "{subject} are loaded and not published",
        "readers do not see these days yet",
        "the watch starts a transform at every look",
    ),
    Kind.MARTS_STALE: CatalogEntry(
        "error",
        "{subject} are stale",
        "readers see old data",
        "nothing by itself: act",
    ),
    Kind.VOLUME_UNUSUAL: CatalogEntry(
        "warning",
        "{subject} has an unusual number of rows",
        "the day is published; its figures may mislead",
        "nothing: a day may be unusual and right",
    ),
    Kind.OBJECT_PARKED: CatalogEntry(
        "error",
        "{subject} was refused and parked",
        "the day before stays; this answer is not in the marts",
        "it is tried again when the object changes",
    ),
    Kind.MANY_REJECTS: CatalogEntry(
        "warning",
        "{subject} has many rejected records",
        "the rejected records are missing from the marts",
        "nothing by itself: look at the reasons, then replay",
    ),
    Kind.DAG_IMPORT_ERROR: CatalogEntry(
        "error",
        "{subject} cannot be imported",
        "its DAGs keep their last good version, or do not run at all",
        "nothing by itself: mend the file",
    ),
    Kind.NO_HEARTBEAT: CatalogEntry(
        "error",
        "Airflow's {subject} gives no heartbeat",
        "runs are late or do not start",
        "nothing by itself: start it again",
    ),
    Kind.NO_ANSWER: CatalogEntry(
        "error",
        "the {subject} does not answer",
        "nothing lands, loads or is published, and less is watched",
        "it is tried again at every run and at every look of the watch",
    ),
    Kind.DELIVERY_FAILED: CatalogEntry(
        "warning",
        "{subject} does not take alerts",
        "who reads only {subject} is told of nothing",
        "every message is tried again until it is taken",
    ),
}
