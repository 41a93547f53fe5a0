"""The cost of a look at the health page, with two years of three sources in the ledger.

``python -m benchmarks.health`` measures, prints a table with goals, and exits with status 1 when a
goal is missed. docs/benchmarks.md describes the comparison.
"""

import secrets
import time
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated

import psutil
import psycopg
import typer
from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks import machine
from benchmarks.api_server import ApiServer, api_server
from benchmarks.figures import Figure
from benchmarks.measure import ROOT, tree_cpu
from benchmarks.report import put_between_markers, table
from benchmarks.warehouse import Warehouse, running_warehouse
from scripts.cli import run_cli
from scripts.health.facts import Health
from scripts.health.verdict import read_health
from scripts.settings import Deployment, RunSettings
from sources import SOURCES

_DOCS = ROOT / "docs" / "benchmarks.md"
_MOST_MS = 200
# Each day has one load, each tenth day also a replaced one, each fiftieth also a refused one.
_HISTORY = """
    insert into ops.loads (load_id, source, day, key, etag, last_modified, bytes, sha256, state,
        reason, received, loaded, rejected, seconds, run_id, is_current, loaded_at, published_at)
    select nextval('ops.load_id'), source, day, format('raw/%%s/%%s.json', source, day), 'e',
        day + interval '2 minutes', 1, 'ab', state,
        case state when 'parked' then 'no list of records' end,
        100, case state when 'parked' then 0 else 100 end, 0, 0.5, 'scheduled__' || day,
        kind = 2, day + interval '3 minutes' + kind * interval '1 second',
        case state when 'loaded' then day + interval '4 minutes' end
    from unnest(%(sources)s::text[]) as source
    cross join generate_series(0, %(days)s - 1) as back
    cross join generate_series(0, 2) as kind
    cross join lateral (
        select (now() at time zone 'UTC')::date - back as day,
            case kind when 0 then 'parked' else 'loaded' end as state
    ) as attempt
    where kind = 2 or (kind = 1 and back %% 10 = 0) or (kind = 0 and back %% 50 = 0)
    order by day, source, kind
"""
_INCIDENTS = """
    insert into ops.incidents (fingerprint, kind, subject, day, details, closed_at)
    select format('posts/day-late/%%s', n), 'day-late', 'posts', current_date - n::int,
        '{"facts": {"Object": "raw/posts"}}', case when n > %(open)s then now() end
    from generate_series(1, %(many)s) as n
"""


def seed(warehouse: Warehouse, days: int) -> str:
    """Fill the ledger, and return the DSN of role reader."""
    password = secrets.token_hex()
    with psycopg.connect(warehouse.server.dsn("warehouse"), autocommit=True) as connection:
        connection.execute(sql.SQL("alter role reader password {}").format(sql.Literal(password)))
        connection.execute("set role loader")
        connection.execute(_HISTORY, {"sources": list(SOURCES), "days": days})
        connection.execute(_INCIDENTS, {"many": 1000, "open": 50})
        connection.execute("reset role")
        connection.execute("vacuum analyze ops.loads, ops.incidents")
    return make_conninfo(warehouse.loader, user="reader", password=password)


def page_figures(server: ApiServer, postgres_cpu: Callable[[], float], looks: int) -> list[Figure]:
    """Return the cost of the page, requested over HTTP by a logged-in user."""
    token, process = server.login("watch"), server.process()

    def ask() -> None:
        server.get("/health-page/", token).raise_for_status()

    ask()  # the first look imports, compiles templates and connects
    before = (tree_cpu(process), postgres_cpu())
    took = [_timed(ask) for _ in range(looks)]
    after = (tree_cpu(process), postgres_cpu())
    airflow_cpu, server_cpu = (1000 * (b - a) / looks for a, b in zip(before, after, strict=True))
    return [
        *_spread("page over HTTP", took),
        Figure("page over HTTP, CPU of the api-server", airflow_cpu, "ms"),
        Figure("page over HTTP, CPU of Postgres", server_cpu, "ms"),
        Figure("api-server, memory after these looks", _pss(process) / 1e6, "MB"),
    ]


def facts_figures(dsn: str, looks: int) -> list[Figure]:
    """Return the cost of the facts without a page: connect, five queries, verdict."""

    def ask() -> Health:
        return read_health(dsn, RunSettings(), Deployment(), datetime.now(UTC))

    ask()
    took = [_timed(ask) for _ in range(looks)]
    tracemalloc.start()
    ask()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return [
        *_spread("facts of `python -m scripts.health`", took),
        Figure("facts, peak of memory", peak / 1e6, "MB"),
    ]


def _spread(name: str, took: Sequence[float]) -> list[Figure]:
    return [
        Figure(f"{name}, p50", median(took), "ms"),
        Figure(f"{name}, p95", quantiles(took, n=20)[-1], "ms", at_most=_MOST_MS),
    ]


def _timed(job: Callable[[], object]) -> float:
    started = time.perf_counter()
    job()
    return 1000 * (time.perf_counter() - started)


def _pss(process: psutil.Process) -> int:
    family = [process, *process.children(recursive=True)]
    return sum(int(member.memory_full_info().pss) for member in family)


def measure(days: int, looks: int, home: Path | None = None) -> tuple[list[Figure], dict[str, str]]:
    """Return the figures and the environment in which they were measured."""
    with running_warehouse() as (warehouse, folder):
        facts = machine.facts(warehouse, with_peers=False)
        dsn = seed(warehouse, days)
        rows = warehouse.count("warehouse", "ops.loads")
        figures = facts_figures(dsn, looks)
        home = home or folder / "airflow"
        home.mkdir(exist_ok=True)
        with api_server(home, dsn, {}) as server:
            figures += page_figures(server, warehouse.cpu, looks)
    return figures, {**facts, "ledger": f"{rows:,} rows, {days} days of {len(SOURCES)} sources"}


def main(
    days: Annotated[int, typer.Option(min=30, help="days of history")] = 730,
    looks: Annotated[int, typer.Option(min=2, help="number of looks to measure")] = 100,
    *,
    is_written: Annotated[
        bool, typer.Option("--write", help="write to docs/benchmarks.md")
    ] = False,
) -> None:
    """Measure how long the health of the pipeline takes to show, in a terminal and on the page."""
    figures, facts = measure(days, looks)
    about = "\n".join(f"- {name}: {fact}" for name, fact in facts.items())
    cells = [figure.cells() for figure in figures]
    text = f"{table(['figure', 'measured', 'goal', ''], cells)}\n\n{about}"
    typer.echo(text)
    if is_written:
        put_between_markers(_DOCS, "benchmarks.health", text)
    if missed := [figure.name for figure in figures if not figure.is_met]:
        typer.echo(f"missed: {'; '.join(missed)}", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    run_cli(main)
