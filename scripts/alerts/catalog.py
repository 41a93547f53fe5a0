"""The alert texts of each class. Invariant: plain text. Inserted data is one short, clean line."""

from typing import NamedTuple

from scripts.alerts.incident import Kind


class CatalogEntry(NamedTuple):
    """The texts of one class. `title` may contain ``{subject}`` and ``{day}``.

    Attributes:
        severity: ``error`` requires immediate action, ``warning`` requires a check.
        title: what happened, and where.
        impact: what it means for readers of the marts.
        next: whether the pipeline recovers automatically, and what the operator does.
    """

    severity: str
    title: str
    impact: str
    next: str


_RUN_IMPACT = (
    "The data of this run is missing. Readers of the marts see the earlier data until a run"
    " succeeds."
)
_RUN_NEXT = (
    "Will not recover automatically. Fix the cause and clear the run, or wait for the next run."
)

CATALOG: dict[Kind, CatalogEntry] = {
    Kind.RUN_FAILED: CatalogEntry("error", "{subject} failed", _RUN_IMPACT, _RUN_NEXT),
    Kind.RUN_TIMED_OUT: CatalogEntry("error", "{subject} timed out", _RUN_IMPACT, _RUN_NEXT),
    Kind.DBT_TEST_FAILED: CatalogEntry(
        "error",
        "{subject}: a dbt test failed",
        "Nothing was published. Readers of the marts see the earlier data.",
        "Will not recover automatically. Fix the data or the model. The next run builds and tests"
        " again.",
    ),
    Kind.DAY_LATE: CatalogEntry(
        "error",
        "{subject} has not landed",
        "This day is missing from the marts.",
        "Will not recover automatically. Run the ingest DAG of this source for this day.",
    ),
    Kind.LOAD_UNPUBLISHED: CatalogEntry(
        "error",
        "{subject} are loaded but not published",
        "Readers of the marts do not see these days yet.",
        "Every run of watch_pipeline starts a transform. Check why the transform does not publish.",
    ),
    Kind.MARTS_STALE: CatalogEntry(
        "error",
        "{subject} are stale",
        "Readers of the marts see old data.",
        "Will not recover automatically. Check that the ingest DAGs run and that the API returns"
        " new data.",
    ),
    Kind.VOLUME_UNUSUAL: CatalogEntry(
        "warning",
        "{subject} has an unusual number of rows",
        "The day is published. Its figures can be misleading.",
        "Check the number against the API. An unusual number can be correct and then needs no"
        " action.",
    ),
    Kind.OBJECT_PARKED: CatalogEntry(
        "error",
        "{subject}: an object was parked",
        "The marts do not contain this object. They keep the previous state of the day.",
        "Retried only when the object changes. Fix the source and ingest the day again.",
    ),
    Kind.MANY_REJECTS: CatalogEntry(
        "warning",
        "{subject} has many rejected records",
        "The rejected records are missing from the marts.",
        "Will not recover automatically. Check the reasons, then replay the day.",
    ),
    Kind.DAG_IMPORT_ERROR: CatalogEntry(
        "error",
        "{subject} cannot be imported",
        "The DAGs of this file keep their last good version or do not run. Data in the marts can"
        " become stale.",
        "Will not recover automatically. Fix the file or roll back its deployment.",
    ),
    Kind.NO_HEARTBEAT: CatalogEntry(
        "error",
        "Airflow's {subject} sends no heartbeat",
        "Runs start late or not at all. Data in the marts can become stale.",
        "Will not recover automatically. Restart this process.",
    ),
    Kind.NO_ANSWER: CatalogEntry(
        "error",
        "the {subject} does not answer",
        "No data lands, is loaded or is published. Monitoring is incomplete.",
        "Every run and every check of watch_pipeline tries again. Restore the service or correct"
        " its connection.",
    ),
    Kind.DELIVERY_FAILED: CatalogEntry(
        "warning",
        "{subject} does not accept alerts",
        "The marts are not affected. Users who read only this channel receive no alerts.",
        "Every message is retried until the channel accepts it. Check the connection of this"
        " channel.",
    ),
}
