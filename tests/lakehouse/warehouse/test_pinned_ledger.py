"""The pinned ledger on S3, with the credentials that AWS's variables name."""

from typing import Any

import psycopg
import pytest

from scripts.errors import ConfigurationError
from scripts.landing.store import Store
from scripts.warehouse.lakehouse import LakeTable
from scripts.warehouse.pinned_ledger import PinnedLedger
from sources import SOURCES
from tests.conftest import Warehouse
from tests.lakehouse.bucket import use_bucket
from tests.lakehouse.tables import ensure, load_body
from tests.loading import array, post, query

pytestmark = pytest.mark.lakehouse


@pytest.fixture
def root(store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """A root on S3."""
    root = f"s3://{store.bucket}/lake"
    use_bucket(store, root, monkeypatch)
    return root


def test_a_build_reads_the_ledger_of_its_beginning(
    root: str, warehouse: Warehouse, store: Store
) -> None:
    posts = SOURCES["posts"]
    ensure(warehouse, posts)
    ledger = PinnedLedger(root, warehouse.transformer)
    ledger.note_published()  # nothing is there yet
    bad: dict[str, Any] = {**post(2), "title": 7}
    load_body(store, warehouse, posts, array([post(1), bad]))
    ledger.pin()
    load_body(store, warehouse, posts, array([post(1)]))
    loads, rejects = LakeTable(f"{root}/ops/loads"), LakeTable(f"{root}/ops/rejects")
    assert loads.column("load_id") == [1]
    assert loads.column("source", load_id=1) == ["posts"]
    assert rejects.column("record_key") == ["1:2"]
    assert pins(warehouse) == [(1,)]
    ledger.pin()
    assert loads.column("load_id") == [2]
    assert rejects.column("record_key") == []
    assert pins(warehouse) == [(2,)]
    assert query(warehouse, "select count(*) from ops.loads where published_at is null") == [(2,)]


def test_a_table_that_is_not_complete_is_not_pinned(root: str, warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.admin) as connection:
        connection.execute("comment on table raw.posts_rows is 'rebuilding'")
    try:
        with pytest.raises(ConfigurationError, match=r"rebuild --source posts`"):
            PinnedLedger(root, warehouse.transformer).pin()
    finally:
        with psycopg.connect(warehouse.admin) as connection:
            connection.execute("comment on table raw.posts_rows is null")


def pins(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    with psycopg.connect(warehouse.transformer) as connection:
        return connection.execute("select load_id from build.pinned_loads").fetchall()
