"""The same raw objects give the same marts on a lakehouse as in PostgreSQL, cell by cell.

The engine is Sail. Loading into Delta tables is tested elsewhere: here the raw tables are copied.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from psycopg import sql

from local.processes import free_port
from local.sample_data import Sample
from local.sample_earthquakes import Earthquakes
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.settings import RunSettings
from sources import SOURCES, Source
from tests.conftest import Warehouse
from tests.integration.dbt.support import PROJECT, Dbt, Loader
from tests.spark.engine import ENVIRONMENT, Sail

pytestmark = [pytest.mark.lakehouse, pytest.mark.timeout(300)]

_ANSWER = "answer: "  # of tests/spark/session.py
_MARTS = sorted(path.stem for path in (PROJECT / "models" / "marts").glob("*.sql"))
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


class Session:
    """The program `tests.spark.session` in the environment of the lakehouse."""

    def __init__(self, root: Path, dsn: str, remote: str) -> None:
        self.process = subprocess.Popen(
            [ENVIRONMENT / "python", "-m", "tests.spark.session", str(root), dsn, remote],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TZ": "UTC", "DBT_TARGET_PATH": str(root / "target")},
        )

    def ask(self, *command: str) -> Any:
        """Return the answer to a command. Raises AssertionError with its error."""
        self.send(*command)
        answer = self.receive()
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def problem(self, *command: str) -> str:
        """Return the error of a command that must fail."""
        self.send(*command)
        return str(self.receive()["error"])

    def send(self, *command: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith(_ANSWER):
                return dict(json.loads(line.removeprefix(_ANSWER)))
        raise AssertionError(f"the session ended with status {self.process.wait()}")

    def marts(self) -> dict[str, list[Any]]:
        """Return the rows that readers see."""
        return {m: sorted(self.ask("rows", f"marts.{m}")) for m in _MARTS}

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def sail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sail]:
    server = Sail(free_port(), tmp_path_factory.mktemp("sail"))
    server.start()
    yield server
    server.managed.stop()


@pytest.fixture
def session(sail: Sail, warehouse: Warehouse, tmp_path: Path) -> Iterator[Session]:
    session = Session(tmp_path / "lake", warehouse.transformer, sail.remote)
    yield session
    session.close()


def test_the_marts_are_those_of_postgres(
    store: Store, warehouse: Warehouse, session: Session, tmp_path: Path
) -> None:
    dbt = Dbt(warehouse, tmp_path / "postgres")
    for day, sample in _FIRST.items():
        _load(store, warehouse, day, sample)
    _build_both(dbt, session)
    for day, sample in _CHANGED.items():  # a late day and a reloaded one
        _load(store, warehouse, day, sample)
    for source in SOURCES:
        Loader(warehouse, source).withdraw(_DAYS[3])
    _build_both(dbt, session)
    # Those of staging need the columns of a partitioned table, which Sail does not describe.
    session.ask("dbt", "test", "--select", "test_type:unit", "--exclude", "staging")


def test_a_build_that_failed_or_is_incomplete_is_not_published(
    store: Store, warehouse: Warehouse, session: Session
) -> None:
    _load(store, warehouse, _DAYS[0], _FIRST[_DAYS[0]])
    session.ask("copy_raw")
    session.ask("build")
    before = session.marts()

    _load(store, warehouse, _DAYS[1], _FIRST[_DAYS[1]])
    session.ask("copy_raw")
    session.ask("query", "delete from raw.posts_rows where position = 3")
    assert "posts_match_the_ledger" in session.problem("build")
    assert "posts_match_the_ledger failed" in session.problem("publish")
    assert session.marts() == before

    session.ask("copy_raw")
    session.ask("build")
    session.ask("query", "insert into build.fct_posts select * from build.fct_posts")
    assert "fct_posts has 200 rows, of which 200 have the whole key (post_id), and 100 keys" in (
        session.problem("publish")
    )
    session.ask("dbt", "run", "--select", "fct_posts")
    assert "fct_posts" in session.problem("publish")  # its tests are older

    _load(store, warehouse, _DAYS[2], _CHANGED[_DAYS[2]])
    session.ask("pin")
    session.ask("dbt", "run", "--select", "pinned_loads")
    assert "has not run on this snapshot of the ledger" in session.problem("publish")


def test_a_publish_that_is_killed_changes_nothing(
    store: Store, warehouse: Warehouse, session: Session, sail: Sail, tmp_path: Path
) -> None:
    _load(store, warehouse, _DAYS[0], _FIRST[_DAYS[0]])
    session.ask("copy_raw")
    session.ask("build")
    before = session.marts()

    _load(store, warehouse, _DAYS[1], _FIRST[_DAYS[1]])
    session.ask("copy_raw")
    session.ask("pin")
    session.ask("dbt", "build", "--exclude-resource-type", "unit_test")
    log = tmp_path / "lake" / "published" / "dim_authors" / "_delta_log"
    commits = len(list(log.glob("*.json")))
    session.send("publish")
    while len(list(log.glob("*.json"))) == commits:
        time.sleep(0.002)
    session.process.kill()

    with closing(Session(tmp_path / "lake", warehouse.transformer, sail.remote)) as other:
        other.ask("dbt", "run-operation", "reader_views")
        assert other.marts() == before
        written = "select count(distinct publish_id) from published.dim_authors"
        assert other.ask("query", written) == [["int 2"]]
        other.ask("build")
        after = other.marts()
    assert all(after[mart] != before[mart] for mart in _MARTS)


def test_an_engine_that_is_gone_does_not_hold_the_build(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    engine = Sail(free_port(), tmp_path / "engine")
    engine.start()
    session = Session(tmp_path / "lake", warehouse.transformer, engine.remote)
    try:
        session.ask("copy_raw")
        process = engine.managed.process()
        assert process
        process.suspend()
        session.send("build_within", "5")
        assert session.process.wait(timeout=30) == 1
    finally:
        engine.managed.stop(grace_seconds=0)
        session.close()


def _build_both(dbt: Dbt, session: Session) -> None:
    session.ask("copy_raw")
    session.ask("build")
    noted = dbt.rows("select count(*) from ops.loads where is_current and published_at is null")
    assert noted == [(0,)]
    dbt.build()
    dbt.publish()
    found = session.marts()
    for mart in _MARTS:
        expected = dbt.rows(sql.SQL("select * from {}").format(sql.Identifier("marts", mart)))
        assert found[mart]
        assert found[mart] == _shown(expected), mart


def _shown(rows: list[tuple[Any, ...]]) -> list[list[str]]:
    """Return each cell with its type, as a session does."""
    return sorted([f"{type(value).__name__} {value}" for value in row] for row in rows)


def _load(store: Store, warehouse: Warehouse, day: date, sample: Sample) -> None:
    for source in SOURCES.values():
        store.client.put_object(
            Bucket=store.bucket,
            Key=raw_key(source.name, day),
            Body=msgspec.json.encode(_records(source, day, sample)),
        )
        result = load(source, day, store, warehouse.loader, RunSettings())
        assert result.outcome in ("loaded", "unchanged")


def _records(source: Source, day: date, sample: Sample) -> list[Any]:
    if source.name == "earthquakes":
        return Earthquakes(seed=sample.posts).of_day(day)
    return [sample.record(source.name, n) for n in sample.ids(source.name)]
