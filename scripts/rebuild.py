"""Rebuild the warehouse from the landing zone. Invariant: raw is the truth, so the marts are equal.

Every landed object is loaded again, and a day whose object was deleted is withdrawn. Then schema
build is dropped, built, tested and published. A landing zone in which nothing is left of a source
that the ledger knows is refused: it is probably the wrong bucket.

* All sources: each load replaces the current load of its day, and nothing is dropped that cannot
  be built again. Killed anywhere, it leaves a working warehouse. The next run starts again.
* One source: its raw table is replaced by an empty one that fits its contract. Until every object
  is loaded, the table is marked as incomplete and nothing can be published, so the marts stay as
  they are. Killed anywhere, the same command continues.

The next transform deletes the rows that were replaced.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import partial
from typing import Annotated

import typer

from scripts import settings
from scripts.cli import progress, run_cli, source_named
from scripts.dbt import build_and_publish, drop_build_tables
from scripts.errors import InvalidDataError
from scripts.killpoints import reach
from scripts.landing.keys import FIRST_DAY, raw_key, raw_prefix
from scripts.landing.store import Store
from scripts.load.attempt import LoadResult
from scripts.load.load import load_work, summary
from scripts.load.raw_rows import raw_rows
from scripts.load.raw_tables import is_incomplete, mark_complete
from scripts.migrate import migrate
from scripts.reconcile.pending import LandingSurvey, Work, survey_landing
from scripts.settings import RunSettings
from scripts.warehouse.connection import connect, connect_as_owner, plain_errors
from scripts.warehouse.dbt_lock import dbt_lock
from scripts.warehouse.ledger import withdraw
from sources import SOURCES, Source


def _survey(store: Store, dsn: str, sources: Iterable[Source]) -> LandingSurvey:
    """List the whole landing zone. Raises InvalidDataError if nothing is left of a source."""
    survey = survey_landing(store, dsn, FIRST_DAY)
    for source in sources:
        deleted = [day for name, day in survey.deleted if name == source.name]
        if deleted and source.name not in {name for name, _ in survey.landed}:
            raise InvalidDataError(
                f"s3://{store.bucket}/{raw_prefix(source.name)} is empty, but the warehouse has "
                f"{len(deleted)} days of it: nothing was changed. Check LANDING_BUCKET. Days that "
                f"are gone for good: `python -m scripts.withdraw {source.name} --day YYYY-MM-DD`"
            )
    return survey


def _withdraw(days: Sequence[tuple[str, date]], dsn: str) -> None:
    with connect(dsn, autocommit=True) as connection, plain_errors():
        for name, day in days:
            withdraw(connection, name, day)


def _load_fresh(
    source: Source, store: Store, dsn: str, dbt_dsn: str, load: Callable[[Work], dict[str, int]]
) -> dict[str, int]:
    """Load every object of one source into a fresh table. `dbt_dsn` is for role transformer."""
    _survey(store, dsn, [source])
    with connect_as_owner(settings.admin_dsn_from_env(), autocommit=True) as owner, plain_errors():
        if not is_incomplete(owner, source):
            # A build in progress would read an empty table. Without its tables it fails instead.
            with dbt_lock(dbt_dsn, is_alone=True):
                drop_build_tables(dbt_dsn)
                raw_rows(owner, source).recreate()
        reach("rebuild.recreated")
        waiting = survey_landing(store, dsn, FIRST_DAY).waiting
        counts = load(Work([found for found in waiting if found[0] == source.name]))
        mark_complete(owner, source)
    return counts


def _load(
    store: Store, dsn: str, run_settings: RunSettings, show: Callable[[str], None], work: Work
) -> dict[str, int]:
    def results() -> Iterator[LoadResult]:
        loads = load_work(work, store, dsn, run_settings, "rebuild")
        for number, result in enumerate(loads, 1):
            show(f"{number:,} of {len(work.objects):,} objects, {result.key}")
            yield result

    return summary(results())


def main(
    source: Annotated[
        str, typer.Option(help="only this source, into a fresh table; default: all sources")
    ] = "",
) -> None:
    """Rebuild every table of the warehouse, or of one source, from the landing zone.

    Without --source it brings schemas, tables and roles up to date first, if
    PIPELINE_WAREHOUSE_ADMIN_DSN is set. Use --source after a change of a contract that
    ``python -m scripts.migrate`` refuses: it needs that DSN. Reads LANDING_BUCKET, AWS's own
    variables, WAREHOUSE_DSN (or AIRFLOW_CONN_WAREHOUSE), and for dbt DBT_HOST and the variables
    beside it (or AIRFLOW_CONN_DBT_POSTGRES_CONN).
    """
    declared = source_named(source) if source else None
    store = Store.of_environment(settings.deployment().bucket())
    dsn, dbt_dsn = settings.warehouse_dsn_from_env(), settings.transformer_dsn_from_env()
    run_settings = settings.run_settings_from_env()
    if settings.has_admin_dsn() and not declared:
        migrate(settings.admin_dsn_from_env(), settings.role_passwords_from_env())
    withdrawn: list[tuple[str, date]] = []
    with progress() as show:
        load = partial(_load, store, dsn, run_settings, show)
        if declared:
            counts = _load_fresh(declared, store, dsn, dbt_dsn, load)
        else:
            survey = _survey(store, dsn, SOURCES.values())
            withdrawn = survey.deleted
            _withdraw(withdrawn, dsn)
            oldest_first = sorted(survey.landed, key=lambda found: found[::-1])
            counts = load(Work(oldest_first, is_reload=True))
            reach("rebuild.after_loads")
        show("building, testing and publishing the marts")
        build_and_publish(dbt_dsn, "--full-refresh")
    for name, day in withdrawn:
        typer.echo(f"withdrew {raw_key(name, day)}: the object was deleted")
    parked = counts.get("objects_parked", 0)
    typer.echo(
        f"rebuilt from {counts.get('objects_loaded', 0)} objects: {counts['loaded']} of "
        f"{counts['received']} records loaded, {counts['rejected']} rejected. Marts published"
    )
    if parked:
        raise InvalidDataError(f"{parked} objects are parked, so their days are not rebuilt")


if __name__ == "__main__":
    run_cli(main)
