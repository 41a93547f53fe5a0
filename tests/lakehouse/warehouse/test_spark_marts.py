"""The same raw objects give the same marts on a lakehouse as in PostgreSQL, cell by cell.

The engine is Sail. `tests.lakehouse.test_dbt` kills it.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from psycopg import sql

from local.postgres import PostgresServer
from local.sample_data import Sample
from local.sample_earthquakes import Earthquakes
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.settings import RunSettings
from scripts.warehouse.lakehouse import library
from sources import SOURCES, Source
from tests.conftest import Warehouse
from tests.integration.dbt.support import Dbt, Loader
from tests.lakehouse.lake import Lake
from tests.lakehouse.session import Session
from tests.lakehouse.tables import MARTS
from tests.loading import database_of

pytestmark = [pytest.mark.lakehouse, pytest.mark.timeout(400)]

_DAYS = [date(2026, 1, day) for day in range(1, 7)]
_FIRST = {
    _DAYS[0]: Sample(100, seed=1),
    _DAYS[1]: Sample(100, seed=1, edited={3: {"title": "edited\n\u2028 😀 it's \\n"}}, deleted=[5]),
    # Two days on which records break the contract: what is known of them is carried.
    _DAYS[3]: Sample(104, seed=1, edited={4: {"title": 7}, 6: {"title": "other"}}, deleted=[7]),
    _DAYS[4]: Sample(104, seed=1, edited={4: {"title": 7}, 9: {"id": "x"}}),
}
_CHANGED = {
    _DAYS[2]: Sample(101, seed=1, edited={2: {"body": "of a late day"}}),
    _DAYS[1]: Sample(99, seed=1, edited={8: {"userId": 2}}, deleted=[1]),
}


@pytest.fixture
def session(lake: Lake) -> Iterator[Session]:
    with closing(lake.session()) as session:
        yield session


@pytest.fixture
def in_postgres(postgres: PostgresServer, _migrated_template: str) -> Iterator[Warehouse]:
    with database_of(postgres, _migrated_template, "test_spark_postgres") as warehouse:
        yield warehouse


def test_the_marts_are_those_of_postgres(
    lake: Lake, session: Session, in_postgres: Warehouse, tmp_path: Path
) -> None:
    dbt = Dbt(in_postgres, tmp_path / "postgres")
    for day, sample in _FIRST.items():
        _load_both(lake, in_postgres, day, sample)
    _build_both(lake, session, dbt)
    for day, sample in _CHANGED.items():  # a late day and a reloaded one
        _load_both(lake, in_postgres, day, sample)
    for source in SOURCES:
        for warehouse in (lake.warehouse, in_postgres):
            Loader(warehouse, source).withdraw(_DAYS[3])
    _build_both(lake, session, dbt)
    # Those of staging need the columns of a partitioned table, which Sail does not describe.
    session.ask("dbt", "test", "--select", "test_type:unit", "--exclude", "staging")


def test_a_build_that_failed_or_is_incomplete_is_not_published(
    lake: Lake, session: Session
) -> None:
    _load(lake, _DAYS[0], _FIRST[_DAYS[0]])
    session.ask("build")
    before = _marts(session)

    _load(lake, _DAYS[1], _FIRST[_DAYS[1]])
    posts = library("deltalake").DeltaTable(f"{lake.root}/raw/posts_rows")
    whole = posts.version()
    posts.delete("position = 3")
    assert "posts_match_the_ledger: Got 1 result, configured to fail" in session.problem("build")
    assert "posts_match_the_ledger failed" in session.problem("publish")
    assert _marts(session) == before

    posts.restore(whole)
    session.ask("build")
    session.ask("query", "insert into build.fct_posts select * from build.fct_posts")
    assert "fct_posts has 200 rows, of which 200 have the whole key (post_id), and 100 keys" in (
        session.problem("publish")
    )
    session.ask("dbt", "run", "--select", "fct_posts")
    assert "fct_posts" in session.problem("publish")  # its tests are older

    _load(lake, _DAYS[2], _CHANGED[_DAYS[2]])
    session.ask("pin")
    session.ask("dbt", "run", "--select", "pinned_loads")
    assert "has not run on this snapshot of the ledger" in session.problem("publish")


def test_a_publish_that_is_killed_changes_nothing(lake: Lake, session: Session) -> None:
    _load(lake, _DAYS[0], _FIRST[_DAYS[0]])
    session.ask("build")
    before = _marts(session)

    _load(lake, _DAYS[1], _FIRST[_DAYS[1]])
    session.ask("pin")
    session.ask("dbt", "build", "--exclude-resource-type", "unit_test")
    log = Path(lake.root, "published", "dim_authors", "_delta_log")
    commits = len(list(log.glob("*.json")))
    session.send("publish")
    while len(list(log.glob("*.json"))) == commits:
        time.sleep(0.002)
    session.process.kill()

    with closing(lake.session()) as other:
        other.ask("dbt", "run-operation", "reader_views")
        assert _marts(other) == before
        written = "select count(distinct publish_id) from published.dim_authors"
        assert other.ask("query", written) == [["int 2"]]
        other.ask("build")
        after = _marts(other)
    assert all(after[mart] != before[mart] for mart in MARTS)


def _build_both(lake: Lake, session: Session, dbt: Dbt) -> None:
    session.ask("build")
    unnoted = "select count(*) from ops.loads where is_current and published_at is null"
    dbt.build()
    dbt.publish()
    assert Dbt(lake.warehouse, Path(lake.root)).rows(unnoted) == dbt.rows(unnoted) == [(0,)]
    found = _marts(session)
    for mart in MARTS:
        expected = dbt.rows(sql.SQL("select * from {}").format(sql.Identifier("marts", mart)))
        assert found[mart]
        assert found[mart] == _cells(expected), mart


def _marts(session: Session) -> dict[str, list[Any]]:
    """Return the rows that readers see."""
    return {mart: sorted(session.ask("rows", f"marts.{mart}")) for mart in MARTS}


def _cells(rows: list[tuple[Any, ...]]) -> list[list[str]]:
    """Return each cell with its type, as a session does."""
    return sorted([f"{type(value).__name__} {value}" for value in row] for row in rows)


def _load_both(lake: Lake, in_postgres: Warehouse, day: date, sample: Sample) -> None:
    _load(lake, day, sample)
    for source in SOURCES.values():
        load(source, day, lake.store, in_postgres.loader, RunSettings())


def _load(lake: Lake, day: date, sample: Sample) -> None:
    for source in SOURCES.values():
        _put(lake.store, source, day, sample)
        assert lake.load(source, day) in ("loaded", "unchanged")


def _put(store: Store, source: Source, day: date, sample: Sample) -> None:
    body = msgspec.json.encode(_records(source, day, sample))
    store.client.put_object(Bucket=store.bucket, Key=raw_key(source.name, day), Body=body)


def _records(source: Source, day: date, sample: Sample) -> list[Any]:
    if source.name == "earthquakes":
        return Earthquakes(seed=sample.posts).of_day(day)
    return [sample.record(source.name, n) for n in sample.ids(source.name)]
