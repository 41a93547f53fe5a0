"""The alert texts of each class. Invariant: plain text. Inserted data is one short, clean line."""

from typing import NamedTuple

from scripts.alerts.incident import Kind


class CatalogEntry(NamedTuple):
    """The texts of one class."""

    title: str  # what happened, and where. It can contain {subject}.
    impact: str  # what it means for readers of the marts
    next: str  # whether the pipeline recovers automatically, and what the operator does
    severity: str = "error"  # an error requires immediate action, a warning requires a check


_RUN_IMPACT = (
    "The data of this run is missing. Readers of the marts see the earlier data until a run"
    " succeeds."
)
_MANUAL = "Will not recover automatically."
_RUN_NEXT = f"{_MANUAL} Fix the cause and clear the run, or wait for the next run."

CATALOG: dict[Kind, CatalogEntry] = {
    Kind.RUN_FAILED: CatalogEntry("{subject} failed", _RUN_IMPACT, _RUN_NEXT),
    Kind.RUN_TIMED_OUT: CatalogEntry("{subject} timed out", _RUN_IMPACT, _RUN_NEXT),
    Kind.DBT_TEST_FAILED: CatalogEntry(
        "{subject}: a dbt test failed",
        "Nothing was published. Readers of the marts see the earlier data.",
        f"{_MANUAL} Fix the data or the model. The next run builds and tests again.",
    ),
    Kind.DAY_LATE: CatalogEntry(
        "{subject} has not landed",
        "This day is missing from the marts.",
        f"{_MANUAL} Run the ingest DAG of this source for this day.",
    ),
    Kind.LOAD_UNPUBLISHED: CatalogEntry(
        "{subject} are loaded but not published",
        "Readers of the marts do not see these days yet.",
        "Every run of watch_pipeline starts a transform. Check why the transform does not publish.",
    ),
    Kind.MARTS_STALE: CatalogEntry(
        "{subject} are stale",
        "Readers of the marts see old data.",
        f"{_MANUAL} Check that the ingest DAGs run and that the API returns new data.",
    ),
    Kind.VOLUME_UNUSUAL: CatalogEntry(
        "{subject} has an unusual number of rows",
        "The day is published. Its figures can be misleading.",
        "Check the number against the API. An unusual number can be correct and then needs no"
        " action.",
        severity="warning",
    ),
    Kind.OBJECT_PARKED: CatalogEntry(
        "{subject}: an object was parked",
        "The marts do not contain this object. They keep the previous state of the day.",
        "Retried only when the object changes. Fix the source and ingest the day again.",
    ),
    Kind.MANY_REJECTS: CatalogEntry(
        "{subject} has many rejected records",
        "The rejected records are missing from the marts.",
        f"{_MANUAL} Check the reasons, then replay the day.",
        severity="warning",
    ),
    Kind.DAG_IMPORT_ERROR: CatalogEntry(
        "{subject} cannot be imported",
        "The DAGs of this file keep their last good version or do not run. Data in the marts can"
        " become stale.",
        f"{_MANUAL} Fix the file or roll back its deployment.",
    ),
    Kind.NO_HEARTBEAT: CatalogEntry(
        "Airflow's {subject} sends no heartbeat",
        "Runs start late or not at all. Data in the marts can become stale.",
        f"{_MANUAL} Restart this process.",
    ),
    Kind.NO_ANSWER: CatalogEntry(
        "the {subject} does not answer",
        "No data lands, is loaded or is published. Monitoring is incomplete.",
        "Every run and every check of watch_pipeline tries again. Restore the service or correct"
        " its connection.",
    ),
    Kind.DELIVERY_FAILED: CatalogEntry(
        "{subject} does not accept alerts",
        "The marts are not affected. Users who read only this channel receive no alerts.",
        "Every message is retried until the channel accepts it. Check the connection of this"
        " channel.",
        severity="warning",
    ),
}
