"""The command line for declarations: propose one for a URL, check one, or remove one."""

import re
import subprocess
import sys
from dataclasses import replace
from datetime import date
from typing import Annotated
from urllib.parse import urlsplit

import typer

from scripts.cli import run_app, source_named
from scripts.errors import InvalidDataError, InvalidInputError
from scripts.extract.days import now_utc
from scripts.extract.parents import landed_parents
from scripts.extract.urls import params_of
from scripts.landing.keys import parse_day, raw_prefix, today
from scripts.landing.store import Store
from scripts.settings import (
    Endpoint,
    EnvConnection,
    RunSettings,
    api_from_env,
    api_of,
    deployment,
    has_admin_dsn,
    optional_connection_from_env,
    run_settings_from_env,
)
from scripts.source.draft import auth_of, drafted
from scripts.source.files import ROOT, write_files
from scripts.source.first_page import FirstPage, look
from scripts.source.remove import planned_removal
from sources import SOURCES
from sources.declaration import Parent
from sources.declaration.api import check_name
from sources.declaration.parent import Values
from sources.declaration.paths import shown_path

# Names of query parameters, in lower case and without signs.
_SECRET_PARAMS = {
    *("key", "apikey", "appkey", "appid", "token", "accesstoken", "authtoken", "apitoken", "auth"),
    *("secret", "clientsecret", "password", "passwd", "pwd", "sig", "signature"),
}
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def main() -> None:
    """Declare sources, check declarations, and remove them."""


@app.command()
def check(
    source: Annotated[str, typer.Argument(help="name of a declared source, such as posts")],
    day: Annotated[str, typer.Option(help="day to ask for, YYYY-MM-DD; default: what is due")] = "",
) -> None:
    """Fetch the first page of a source and compare it with the declaration. Nothing lands.

    Of a source with a parent, it is the list of the first parent that has landed on the day. Reads
    <API>_API_URL (or AIRFLOW_CONN_<API>_API), AIRFLOW_VAR_PIPELINE and, with a parent,
    LANDING_BUCKET. Exit status 0 when the declaration fits the page.
    """
    declared = source_named(source)
    on = parse_day(day) if day else declared.day.last_day(now_utc())
    endpoint = api_from_env(declared.api)
    settings = run_settings_from_env()
    parent = _first_parent(declared.parent, on, settings) if declared.parent else None
    found = look(declared, endpoint, on, settings, parent)
    for label, value in _lines(found, has_key=bool(declared.key_fields)).items():
        typer.echo(f"{label + ':':<14} {value}")
    if not found.is_good:
        raise InvalidDataError(f"the declaration of {source} does not fit: see above")


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="URL of the list, with its query")],
    name: Annotated[str, typer.Argument(help="name of the source, such as orders")],
    auth: Annotated[
        str, typer.Option(help="bearer, basic, header:NAME or query:NAME; default none")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
) -> None:
    """Look at a URL, and write the files of a source: declaration, contract, model and tests.

    It finds the records, and requests further pages to prove how they follow each other. The
    secret comes from AIRFLOW_CONN_<NAME>_API (a JSON connection). A run never guesses: what is
    written can be read and changed. With PIPELINE_WAREHOUSE_ADMIN_DSN it also creates the raw
    table. Otherwise `make run` does, and in a deployment ``python -m scripts.migrate``.
    """
    check_name(name)
    if name in SOURCES:
        raise InvalidInputError(f"{name} is declared already: choose another name")
    endpoint = _endpoint(url, name)
    draft = drafted(url, name, auth_of(auth), endpoint, today(), run_settings_from_env())
    typer.echo(f"{len(draft.records)} records at {shown_path(draft.source.data_selector)}")
    typer.echo(f"paginator      {draft.paginator}")
    typer.echo(f"key            {', '.join(map(shown_path, draft.key or ())) or 'none'}")
    for note in draft.notes:
        typer.echo(f"note           {note}")
    if sys.stdin.isatty() and not yes:
        typer.confirm("Write the files?", abort=True)
    for path in write_files(draft):
        typer.echo(f"wrote          {path.relative_to(ROOT)}")
    if has_admin_dsn():  # in a process that has not imported the sources of before
        subprocess.run([sys.executable, "-m", "scripts.migrate"], cwd=ROOT, check=True)
    typer.echo("next: read the files, then `make run`")


@app.command()
def remove(
    names: Annotated[list[str], typer.Argument(help="sources, or APIs with all their sources")],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
) -> None:
    """Delete the declarations of sources, and every model and test that is built on them.

    Reads dbt's manifest (`make manifest`). Landed objects and tables stay: it shows which, and how
    to drop the marts.
    """
    removal = planned_removal(names, ROOT)
    for path in removal.deleted:
        typer.echo(f"deletes        {path.relative_to(ROOT)}")
    for path in removal.edited:
        typer.echo(f"changes        {path.relative_to(ROOT)}")
    if sys.stdin.isatty() and not yes:
        typer.confirm("Remove it?", abort=True)
    removal.apply()
    for source in removal.sources:
        typer.echo(f"stays          s3://$LANDING_BUCKET/{raw_prefix(source)}, raw.{source}_rows")
    typer.echo(f"stays          the tables {', '.join(removal.tables)}")
    typer.echo("next           python -m scripts.dbt --drop-unowned drops those in schema marts")


def _first_parent(parent: Parent, day: date, settings: RunSettings) -> Values:
    """Return the values of the first parent that has landed on a day."""
    store = Store.of_environment(deployment().bucket())
    parents = landed_parents(parent, day, store, settings.max_record_bytes)
    if not parents.records:
        raise InvalidDataError(f"{parents.key} has no record whose list could be asked for")
    return parents.records[0].values


def _endpoint(url: str, name: str) -> Endpoint:
    """Return scheme and host of a URL, with the secrets of the connection if there is one."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise InvalidInputError(f"expected a URL such as https://host/path, got {url[:100]!r}")
    for param in params_of(url):
        if re.sub(r"[^a-z]", "", param.lower()) in _SECRET_PARAMS:
            raise InvalidInputError(
                f"the URL has {param}, which looks like a secret, and it would be written into a "
                f"file: leave it out, put it into connection {name}_api as the password, and give "
                f"--auth query:{param}"
            )
    found = optional_connection_from_env(f"{name}_api")
    base_url = f"{parts.scheme}://{parts.netloc}"
    return replace(api_of(found or EnvConnection(), f"{name}_api", base_url), url=base_url)


def _lines(found: FirstPage, *, has_key: bool) -> dict[str, object]:
    duplicates = f"{found.duplicates} records have the key of another one"
    unique = "unique" if not found.duplicates else duplicates
    violations = "; ".join(f"{count} x {text}" for text, count in found.violations.most_common(5))
    limits = ", ".join(f"{name}: {value}" for name, value in found.limits.items())
    return {
        "records": found.records,
        "total": "the answer does not say it" if found.total is None else found.total,
        "next page": found.following,
        "key": unique if has_key else "none is declared",
        "contract": violations or "every record keeps it",
        "new fields": ", ".join(found.new_fields) or "none",
        "rate limit": limits or "the answer does not say one",
    }


if __name__ == "__main__":
    run_app(app)
