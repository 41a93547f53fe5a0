"""Publish: all or nothing, the difference only, and never a build that is not whole."""

from pathlib import Path

import pytest

from tests.conftest import Warehouse
from tests.integration.dbt_support import Dbt, Loader, days, post

pytestmark = pytest.mark.integration

FIRST, SECOND, THIRD = days(3)


@pytest.fixture
def dbt(warehouse: Warehouse, tmp_path: Path) -> Dbt:
    return Dbt(warehouse, tmp_path)


@pytest.fixture
def loader(warehouse: Warehouse) -> Loader:
    return Loader(warehouse)


def test_what_was_built_becomes_the_marts(dbt: Dbt, loader: Loader) -> None:
    load_id = loader.load(FIRST, [post(1, "one"), post(2, "two", author=7)])
    dbt.build()
    assert dbt.publish()
    assert dbt.rows("select post_id, title from marts.fct_posts order by 1", "reader") == [
        (1, "one"),
        (2, "two"),
    ]
    published = dbt.rows("select load_id from ops.loads where published_at is not null")
    assert published == [(load_id,)]
