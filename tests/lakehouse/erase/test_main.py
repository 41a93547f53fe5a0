"""`python -m scripts.erase` on a lakehouse: afterwards no file below the root has the value."""

import signal
from datetime import date

import pytest

from sources.jsonplaceholder import POSTS
from tests.lakehouse.lake import Lake
from tests.lakehouse.tables import Row, same
from tests.lakehouse.traces import files_with
from tests.loading import array, post, put
from tests.warehouses import traces

pytestmark = [pytest.mark.lakehouse, pytest.mark.timeout(580)]

MARK = "erase-this-one"
_DAY, _NEXT = date(2026, 1, 31), date(2026, 2, 1)
_COMMAND = ("erase", "--source", "posts", "--id", "7")


def _land(lake: Lake, day: date, title: str, count: int = 10) -> None:
    records = [post(n, title=title if n == 7 else f"title {n}") for n in range(1, count + 1)]
    put(lake.store, array(records), key=f"raw/posts/{day}.json")
    assert lake.load(POSTS, day) == "loaded"


def _without_7(lake: Lake) -> dict[str, list[Row]]:
    return {
        mart: [row for row in rows if row.get("post_id") != 7]
        for mart, rows in lake.shown().items()
        if mart in ("fct_posts", "fct_post_changes")
    }


def test_a_record_leaves_every_file_through_kills(lake: Lake) -> None:
    _land(lake, _DAY, MARK)
    assert lake.run("dbt").returncode == 0
    _land(lake, _NEXT, MARK)
    _land(lake, _NEXT, MARK, count=11)
    _land(lake, _NEXT, "harmless")
    assert lake.run("dbt").returncode == 0
    others = _without_7(lake)
    assert {name.partition("/")[0] for name in files_with(lake.root, MARK)} >= {
        *("raw", "build", "published")
    }
    for place in ("after_mark", "in_files", "before_vacuum", "after_loads", "in_history"):
        killed = lake.run(*_COMMAND, PIPELINE_KILL_AT=f"erase.{place}")
        assert killed.returncode == -signal.SIGKILL, (place, killed.stderr)
    assert files_with(lake.root, MARK) != []

    done = lake.run(*_COMMAND)

    assert (done.returncode, done.stderr) == (0, "")
    assert files_with(lake.root, MARK) + traces(lake.warehouse, lake.store, MARK) == []
    assert same(_without_7(lake), others)
    assert all(row["post_id"] != 7 for row in lake.shown()["fct_posts"])
    erased = lake.shown()
    again = lake.run("dbt")  # from logs that begin with a checkpoint
    assert again.returncode == 0, again.stderr
    assert same(lake.shown(), erased)
