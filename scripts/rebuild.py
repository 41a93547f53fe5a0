"""Make the warehouse again from the landing zone. Invariant: raw is the truth: same marts.

Drops nothing that it cannot make again: every landed object is loaded once more, in place of what
the ledger holds of its day; then schema build is made anew, tested and published. Killed anywhere,
it leaves a working warehouse, and running it again begins from the start. The rows that it replaced
are cleaned up by the next transform.
"""

from collections.abc import Callable, Iterator

import boto3
import typer

from scripts.cli import progress, run_cli
from scripts.dbt import build_and_publish
from scripts.errors import InvalidDataError
from scripts.killpoints import reach
from scripts.landing.keys import FIRST_DAY
from scripts.landing.store import Store
from scripts.load.attempt import LoadResult
from scripts.load.load import load_work, summary
from scripts.migrate import migrate
from scripts.reconcile.pending import Work, survey_landing
from scripts.settings import (
    RunSettings,
    admin_dsn_from_env,
    deployment,
    has_admin_dsn,
    role_passwords_from_env,
    run_settings_from_env,
    transformer_dsn_from_env,
    warehouse_dsn_from_env,
)


def rebuild(
    store: Store, dsn: str, dbt_dsn: str, settings: RunSettings, show: Callable[[str], None]
) -> dict[str, int]:
    """Load every object of every source, oldest first; build, test and publish the marts.

    Args:
        store: the landing zone.
        dsn: the warehouse, as role loader.
        dbt_dsn: the same, as role transformer.
        settings: sizes and thresholds.
        show: is told how far it is.

    Returns:
        objects by outcome, and records received, loaded and rejected.

    Raises:
        InvalidDataError: a gate of dbt failed: the marts stay as they were.
        UnavailableError: the bucket or the warehouse failed; run it again.
    """
    landed = survey_landing(store, dsn, FIRST_DAY).landed
    work = Work(sorted(landed, key=lambda found: found[::-1]), is_reload=True)
    counts = summary(_shown(load_work(work, store, dsn, settings, "rebuild"), len(landed), show))
    reach("rebuild.after_loads")
    show("building, testing and publishing the marts")
    build_and_publish(dbt_dsn)
    return counts


def _shown(
    results: Iterator[LoadResult], total: int, show: Callable[[str], None]
) -> Iterator[LoadResult]:
    """Pass the results on, telling each as it comes."""
    for number, result in enumerate(results, 1):
        show(f"{number:,} of {total:,} objects, {result.key}")
        yield result


def main() -> None:
    """Make every table of the warehouse again from the objects in the landing zone.

    Brings schemas, tables and roles up to date first where PIPELINE_WAREHOUSE_ADMIN_DSN is set.
    Reads LANDING_BUCKET, AWS's own variables, WAREHOUSE_DSN (or AIRFLOW_CONN_WAREHOUSE), and for
    dbt DBT_HOST and its like (or AIRFLOW_CONN_DBT_POSTGRES_CONN).
    """
    store = Store.of_session(boto3.Session(), deployment().bucket())
    dsn, dbt_dsn = warehouse_dsn_from_env(), transformer_dsn_from_env()
    settings = run_settings_from_env()
    if has_admin_dsn():
        migrate(admin_dsn_from_env(), role_passwords_from_env())
    with progress() as show:
        counts = rebuild(store, dsn, dbt_dsn, settings, show)
    refused = counts.get("objects_parked", 0)
    typer.echo(
        f"rebuilt from {counts.get('objects_loaded', 0)} objects: {counts['loaded']} of "
        f"{counts['received']} records loaded, {counts['rejected']} rejected; marts published"
    )
    if refused:
        raise InvalidDataError(f"{refused} objects are parked, and their days are not made again")


if __name__ == "__main__":
    run_cli(main)
