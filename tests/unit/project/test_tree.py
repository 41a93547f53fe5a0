"""The tests of the product run on a tree with exactly the sample, whatever else is declared."""

import shutil
from pathlib import Path

import pytest

from tests.tree import _PRODUCT, ROOT, SAMPLE, _take, declared, keep

pytestmark = pytest.mark.unit


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What a tree declares, without the rest of it."""
    for file in SAMPLE | _PRODUCT:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def test_this_tree_declares_exactly_the_sample() -> None:
    assert declared(ROOT) == SAMPLE | _PRODUCT


def test_another_source_is_noticed(tree: Path) -> None:
    (tree / "sources" / "orders.py").touch()
    (tree / "dbt" / "models" / "staging" / "stg_orders.sql").touch()
    added = {"sources/orders.py", "dbt/models/staging/stg_orders.sql"}
    assert declared(tree) - SAMPLE - _PRODUCT == added


@pytest.mark.parametrize("name", ["posts", "comments", "users", "earthquakes", "orders posts"])
def test_the_sample_is_kept_before_a_part_of_it_is_removed(tree: Path, name: str) -> None:
    keep(tree, "orders")
    assert not (tree / "tests").exists()
    keep(tree, name)
    text = (tree / "sources" / "jsonplaceholder.py").read_text()
    for file in SAMPLE:
        (tree / file).unlink()
    for file in sorted(SAMPLE):
        _take(file, tree, tree)
    assert declared(tree) == SAMPLE | _PRODUCT
    assert (tree / "sources" / "jsonplaceholder.py").read_text() == text


def test_a_sample_that_was_deleted_by_hand_is_named(tree: Path) -> None:
    (tree / "sources" / "jsonplaceholder.py").unlink()
    with pytest.raises(SystemExit, match=r"restore sources/jsonplaceholder\.py"):
        _take("sources/jsonplaceholder.py", tree, tree)
