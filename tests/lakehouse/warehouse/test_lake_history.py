"""Deleted values leave the tables of a build and of a publish, and readers see what they saw."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.errors import ConfigurationError
from scripts.landing.store import Store
from scripts.warehouse.lake_history import forget_history
from scripts.warehouse.lakehouse import LoadTable, library
from tests.conftest import Warehouse
from tests.lakehouse.bucket import assert_forgotten, use_bucket
from tests.lakehouse.traces import files_with

pytestmark = pytest.mark.lakehouse

MARK = "forget-this"
SHOWN = [{"title": ["kept"], "publish_id": ["2"]}]
_CHILD = (
    "import sys; from scripts.warehouse.lake_history import forget_history;"
    " forget_history(sys.argv[1])"
)


def write(uri: str, options: Any = None, **columns: list[Any]) -> None:
    library("deltalake").write_deltalake(
        uri, library("pyarrow").table(columns), mode="overwrite", storage_options=options
    )


def rows(uri: str) -> Any:
    return [batch.to_pydict() for batch in LoadTable(uri).query("select * from rows")]


def publish(root: str, options: Any = None) -> None:
    """Write tables as two builds and publishes do: the first one has the value."""
    for title, shown, before in ((MARK, "1", "0"), ("kept", "2", "1")):
        write(f"{root}/ops/rejects", options, record_key=[title])
        write(f"{root}/build/fct_posts", options, title=[title])
        write(f"{root}/build/outcomes", options, node=[title])
        mart = {"title": [title, MARK], "publish_id": [shown, before]}
        write(f"{root}/published/fct_posts", options, **mart)
        write(f"{root}/published/current", options, publish_id=[shown])
    for place in ("build/fct_posts_computed", "build/fct_gone", "published/fct_gone"):
        write(f"{root}/{place}", options, title=[MARK])


def test_what_was_replaced_leaves_every_file_through_kills(
    warehouse: Warehouse, lakehouse: str
) -> None:
    publish(lakehouse)
    assert len(files_with(lakehouse, MARK)) > 10
    for number in range(3):
        killed = subprocess.run(
            [sys.executable, "-c", _CHILD, warehouse.transformer],
            env={**os.environ, "PIPELINE_KILL_AT": "erase.in_history"},
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, number
    assert files_with(lakehouse, MARK) != []
    for _ in range(2):
        forget_history(warehouse.transformer)
        assert files_with(lakehouse, MARK) == []
        assert rows(f"{lakehouse}/published/fct_posts") == SHOWN
        assert rows(f"{lakehouse}/build/fct_posts") == [{"title": ["kept"]}]
        assert rows(f"{lakehouse}/ops/rejects") == [{"record_key": ["kept"]}]
    left = {path.relative_to(lakehouse).parts[:2] for path in Path(lakehouse).rglob("*.*")}
    assert left == {
        *(("build", "fct_posts"), ("build", "outcomes"), ("ops", "rejects")),
        *(("published", "current"), ("published", "fct_posts")),
    }
    write(f"{lakehouse}/build/fct_posts", title=["again"])
    assert rows(f"{lakehouse}/build/fct_posts") == [{"title": ["again"]}]


def test_before_the_first_publish_no_row_of_one_stays(warehouse: Warehouse, lakehouse: str) -> None:
    write(f"{lakehouse}/published/fct_posts", title=[MARK], publish_id=["1"])
    forget_history(warehouse.transformer)
    assert files_with(lakehouse, MARK) == []


def test_the_tables_may_be_on_s3(
    store: Store, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = f"s3://{store.bucket}/marts"
    use_bucket(store, root, monkeypatch)
    publish(root, LoadTable(root)._options)
    forget_history(warehouse.transformer)
    assert rows(f"{root}/published/fct_posts") == SHOWN
    assert_forgotten(store, "marts/", MARK)
    assert not [info for info in store.list("marts/") if "gone" in info.key]


def test_a_warehouse_in_postgresql_has_no_files(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_WAREHOUSE", "delta")
    with pytest.raises(ConfigurationError, match="PIPELINE_LAKEHOUSE_ROOT"):
        forget_history(warehouse.transformer)
    monkeypatch.setenv("PIPELINE_WAREHOUSE", "postgres")
    forget_history(warehouse.transformer)
