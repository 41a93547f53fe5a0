"""The main job on a lakehouse: a real scheduler, Delta tables, and the marts on an engine."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.sail import Sail
from local.sinks import slack_messages
from scripts.warehouse.lakehouse import library
from tests.documents import ROOT
from tests.lakehouse.tables import Row, same, shown
from tests.loading import array, post
from tests.stack import LocalStack, now, started, wait_for

pytestmark = [pytest.mark.lakehouse, pytest.mark.timeout(580)]

_DAY = "2026-01-31"
_MORE = "2026-02-01"
_SECONDS = 420


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def stack(sail: Sail, root: Path) -> Iterator[LocalStack]:
    # The stack has a PYTHONPATH of its own. The packages of Delta tables are behind it.
    path = f"{ROOT}:{ROOT / 'deploy' / 'airflow'}:{os.environ['PYTHONPATH']}"
    settings = {
        **sail.settings(str(root)),
        "PIPELINE_LOCAL_AIRFLOW_ENV": json.dumps({"PYTHONPATH": path}),
        "PIPELINE_TASK_RETRIES": "2",
        "PIPELINE_RETRY_DELAY_SECONDS": "1",
    }
    with started(settings, "up") as stack:
        yield stack


def _land(stack: LocalStack, day: str, records: list[Any]) -> list[dict[str, Any]]:
    """Land posts as another producer does, and wait for the transforms. Return their runs."""
    since = now()
    body = array(records)
    stack.s3().put_object(Bucket=stack.known["bucket"], Key=f"raw/posts/{day}.json", Body=body)
    return stack.transforms_settled(since, _SECONDS)


def _posts(root: Path) -> dict[int, Row]:
    rows = shown(str(root)).get("fct_posts", [])
    found = {row["post_id"]: row for row in rows}
    assert len(found) == len(rows), "a post twice"
    return found


def test_an_object_that_lands_is_in_the_marts(stack: LocalStack, root: Path) -> None:
    stack.transforms_settled(now().replace(year=2000), _SECONDS)  # of the days that are due
    runs = _land(stack, _DAY, [post(n) for n in range(1, 2001)])
    assert runs[-1]["state"] == "success"
    states = stack.task_states("transform_posts", runs[-1]["dag_run_id"])
    assert states.keys() == {"load", "dbt.build_and_publish"}
    assert set(stack.query("select published_at is not null from ops.loads")) == {(True,)}
    changes = [r for r in shown(str(root))["fct_post_changes"] if str(r["day"]) == _DAY]
    assert {(r["post_id"], r["title"], r["body"]) for r in changes} >= {
        (n, f"t{n}", "b\nb") for n in range(1, 2001)
    }
    answered = {p["id"]: (p["title"], p["body"]) for p in stack.api("/posts")}
    latest = {n: (r["title"], r["body"]) for n, r in _posts(root).items() if not r["is_deleted"]}
    assert latest == answered


def test_an_engine_that_dies_costs_a_try(stack: LocalStack, root: Path, sail: Sail) -> None:
    before, since = shown(str(root)), now()
    body = array([post(n, title="again") for n in range(1, 51)])
    stack.s3().put_object(Bucket=stack.known["bucket"], Key=f"raw/posts/{_MORE}.json", Body=body)
    log = root / "build" / "int_post_changes" / "_delta_log"
    known = len(list(log.glob("*.json")))
    wait_for(lambda: len(list(log.glob("*.json"))), lambda count: count > known, _SECONDS)
    sail.kill()
    assert same(shown(str(root)), before)
    sail.start()
    assert stack.transforms_settled(since, _SECONDS)[-1]["state"] == "success"
    loads = [r for r in shown(str(root))["fct_daily_loads"] if str(r["day"]) == _MORE]
    assert [r["loaded"] for r in loads] == [50]
    _posts(root)


def test_a_failed_test_publishes_nothing_and_is_reported(stack: LocalStack, root: Path) -> None:
    before, inbox = shown(str(root)), Path(stack.known["slack_inbox"]).parent
    table = library("deltalake").DeltaTable(str(root / "raw" / "posts_rows"))
    whole = table.version()
    table.delete("position = 3")
    run_id, state = stack.run_by_hand("transform_posts", {})
    assert state == "failed"
    assert stack.task_states("transform_posts", run_id)["load"] == "success"
    assert same(shown(str(root)), before)
    said = wait_for(lambda: json.dumps(slack_messages(inbox)), lambda t: "posts_match" in t, 60)
    assert "posts_match_the_ledger" in said

    table.restore(whole)
    assert stack.run_by_hand("transform_posts", {})[1] == "success"
    assert same(shown(str(root)), before)
