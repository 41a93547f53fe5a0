"""The command line of extraction: land one day of one source."""

from typing import Annotated

import typer

from scripts.cli import progress, run_cli, source_named
from scripts.extract.days import now_utc
from scripts.extract.extract import extract
from scripts.landing.keys import parse_day
from scripts.landing.store import Store
from scripts.settings import api_from_env, deployment, run_settings_from_env


def main(
    source: Annotated[str, typer.Argument(help="name of a declared source, such as posts")],
    day: Annotated[str, typer.Option(help="day to land, YYYY-MM-DD; default: what is due")] = "",
) -> None:
    """Fetch one source from the API and land it in the bucket, as its ingest DAG does.

    Reads POSTS_API_URL (or AIRFLOW_CONN_POSTS_API), LANDING_BUCKET, AWS's own variables
    (AWS_ENDPOINT_URL too) and AIRFLOW_VAR_PIPELINE. Exit status 0 when it has landed or was
    there already; 2, and one line on stderr, when nothing was landed.
    """
    wanted = source_named(source)
    on = parse_day(day) if day else wanted.day.last_day(now_utc())
    settings, bucket = run_settings_from_env(), deployment().bucket()
    endpoint = api_from_env(wanted.api)
    store = Store.of_environment(bucket)
    with progress() as show:

        def watch(rows: int, size: int) -> None:
            show(f"{rows:,} rows, {size / 1e6:,.1f} MB")

        landed = extract(wanted, on, endpoint, store, settings, watch=watch)
    verb = "landed" if landed.is_new else "unchanged"
    typer.echo(
        f"{verb} s3://{bucket}/{landed.key}: {landed.rows} rows, {landed.bytes} bytes, "
        f"sha256 {landed.sha256}, version {landed.version_id}, {landed.seconds:.2f} s"
        + (f", as of {landed.as_of:%Y-%m-%d %H:%M} UTC, not of the day" if landed.as_of else "")
        + (f", {landed.missing} parents missing" if landed.missing else "")
    )


if __name__ == "__main__":
    run_cli(main)
