"""``python -m scripts.dbt`` and the commands that end with it, on a lakehouse with its own engine.

Faults are injected from outside: the engine or the build is killed.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from scripts.load.superseded import clean_up_all
from scripts.warehouse.lakehouse import library
from sources.jsonplaceholder import POSTS
from tests.documents import ROOT
from tests.lakehouse.lake import Lake
from tests.lakehouse.tables import same, table
from tests.loading import SETTINGS, array, post, put, query

pytestmark = [pytest.mark.lakehouse, pytest.mark.timeout(580)]

_DAY = date(2026, 1, 31)
_NEXT = _DAY + timedelta(days=1)
_SECONDS = 110  # more than a build takes, and what a build waits for a dead engine


@pytest.fixture
def published(lake: Lake) -> Iterator[Lake]:
    """A lakehouse with one published day, and another one that is loaded. Its engine runs."""
    _land(lake, _DAY, ["old"] * 20)
    done = _run(lake, "dbt")
    assert (done.returncode, done.stdout) == (0, "built, tested and published\n"), done.stderr
    _land(lake, _NEXT, ["new"] * 30)
    yield lake
    lake.sail.start()


def _land(lake: Lake, day: date, titles: list[str]) -> None:
    records = [post(n, title=title) for n, title in enumerate(titles, 1)]
    put(lake.store, array(records), key=f"raw/posts/{day}.json")
    assert lake.load(POSTS, day) == "loaded"


def _start(lake: Lake, command: str, *options: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"scripts.{command}", *options],
        cwd=ROOT,
        env=lake.environment(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(lake: Lake, command: str, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    process = _start(lake, command, *options, **env)
    out, err = process.communicate(timeout=400)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _titles(lake: Lake) -> list[tuple[int, str]]:
    """Return what readers see of the posts, each row once."""
    return sorted((row["post_id"], row["title"]) for row in lake.shown()["fct_posts"])


_OLD = [(n, "old") for n in range(1, 21)]
_NEW = [(n, "new") for n in range(1, 31)]


def _assert_next_run_finishes(lake: Lake) -> None:
    done = _run(lake, "dbt")
    assert done.returncode == 0, done.stderr
    assert _titles(lake) == _NEW
    loads = sorted((row["day"], row["loaded"]) for row in lake.shown()["fct_daily_loads"])
    assert loads == [(_DAY, 20), (_NEXT, 30)]
    unnoted = "select count(*) from ops.loads where is_current and published_at is null"
    assert query(lake.warehouse, unnoted) == [(0,)]


def _commits(lake: Lake, name: str) -> Callable[[], int]:
    log = Path(lake.root, name, "_delta_log")
    return lambda: len(list(log.glob("*.json")))


@pytest.mark.parametrize("name", ["build/int_post_changes", "published/dim_authors"])
def test_an_engine_that_is_killed_leaves_the_marts_as_they_were(name: str, published: Lake) -> None:
    before, commits = published.shown(), _commits(published, name)
    known = commits()
    with _start(published, "dbt", PIPELINE_LAKEHOUSE_TIMEOUT_SECONDS=str(_SECONDS)) as build:
        while commits() == known:
            assert build.poll() is None, build.communicate()
            time.sleep(0.002)
        published.sail.kill()
        _, said = build.communicate(timeout=_SECONDS + 30)
    assert build.returncode == 2, said
    assert same(published.shown(), before)

    published.sail.start()
    _assert_next_run_finishes(published)


@pytest.mark.parametrize("place", ["pinned", "built", "published"])
def test_a_build_that_is_killed_is_finished_by_the_next(place: str, published: Lake) -> None:
    done = _run(published, "dbt", PIPELINE_KILL_AT=f"lakehouse.{place}")
    assert done.returncode == 2
    assert f"dbt was killed by signal {signal.SIGKILL:d}, perhaps after its publish" in done.stderr
    assert _titles(published) == (_NEW if place == "published" else _OLD)
    _assert_next_run_finishes(published)


def test_an_engine_that_does_not_answer_holds_a_build_until_the_deadline(lake: Lake) -> None:
    process = lake.sail.managed.process()
    assert process
    process.suspend()
    try:
        done = _run(lake, "dbt", PIPELINE_LAKEHOUSE_TIMEOUT_SECONDS="5")
    finally:
        process.resume()
    assert done.returncode == 2
    assert "did not finish within PIPELINE_LAKEHOUSE_TIMEOUT_SECONDS" in done.stderr


def test_clean_up_keeps_the_rows_that_a_build_has_pinned(lake: Lake) -> None:
    _land(lake, _DAY, ["pinned"])
    killed = _run(lake, "dbt", PIPELINE_KILL_AT="lakehouse.pinned")
    assert killed.returncode == 2
    _land(lake, _DAY, ["reloaded"])
    _land(lake, _DAY, ["current"])

    def clean_up() -> set[int]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in lake.settings().items():
                patch.setenv(name, value)
            clean_up_all(lake.warehouse.loader, lake.warehouse.transformer, SETTINGS)
        return set(table(lake.root).loads())

    assert clean_up() == {1, 3}
    assert _run(lake, "dbt", PIPELINE_KILL_AT="lakehouse.pinned").returncode == 2
    assert clean_up() == {3}


def test_a_rebuild_and_a_withdrawal_end_with_a_publish(published: Lake) -> None:
    done = _run(published, "rebuild")
    assert done.returncode == 0, done.stderr
    assert _titles(published) == _NEW
    done = _run(published, "withdraw", "posts", "--day", str(_NEXT), "--yes")
    assert done.returncode == 0, done.stderr
    assert _titles(published) == _OLD


def test_a_failed_test_is_named_and_publishes_nothing(published: Lake) -> None:
    before = published.shown()
    library("deltalake").DeltaTable(f"{published.root}/raw/posts_rows").delete("position = 3")
    done = _run(published, "dbt")
    assert done.returncode == 2
    assert "error: the marts did not change: dbt build: " in done.stderr
    assert "posts_match_the_ledger: Got 1 result, configured to fail" in done.stderr
    assert same(published.shown(), before)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("PIPELINE_SPARK_REMOTE", "", "PIPELINE_SPARK_REMOTE is not sc://host:port"),
        ("PIPELINE_LAKEHOUSE_PYTHON", "/nowhere", "PIPELINE_LAKEHOUSE_PYTHON=/nowhere is not"),
        ("PIPELINE_LAKEHOUSE_PYTHON", sys.executable, "needs the package pyspark.sql: install"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, value: str, said: str, lake: Lake) -> None:
    done = _run(lake, "dbt", **{setting: value})
    assert done.returncode == 2
    assert said in done.stderr
