"""What belongs to no declared source is found, and claimed for a report once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts.landing.store import Store
from scripts.reconcile.unknown_objects import (
    claim_unreported,
    find_impossible_days,
    find_undeclared,
)
from tests.conftest import Warehouse
from tests.loading import array, post, put

pytestmark = pytest.mark.integration


def test_folders_and_keys_beside_the_declared_sources_are_found(store: Store) -> None:
    for key in ("raw/posts/2026-01-31.json", "raw/orders/2026-01-31.json", "raw/notes.txt"):
        put(store, array([post(1)]), key=key)
    assert find_undeclared(store) == ["raw/orders/", "raw/notes.txt"]


def test_days_before_the_first_possible_one_are_found_where_no_survey_looks(store: Store) -> None:
    for day in ("0001-01-01", "1969-12-31", "1970-01-01", "2026-01-31"):
        put(store, array([post(1)]), key=f"raw/posts/{day}.json")
    assert find_impossible_days(store) == [
        "raw/posts/0001-01-01.json",
        "raw/posts/1969-12-31.json",
    ]


def test_a_key_is_claimed_by_one_caller_only(warehouse: Warehouse) -> None:
    keys = [f"raw/{n:02}" for n in range(20)]
    with ThreadPoolExecutor(4) as pool:
        claimed = list(pool.map(lambda _: claim_unreported(warehouse.loader, keys), range(4)))
    assert sorted(key for keys_ in claimed for key in keys_) == keys
    assert claim_unreported(warehouse.loader, [*keys, "raw/new"]) == ["raw/new"]
