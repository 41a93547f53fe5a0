"""A removal finds everything that exists only for a source, and leaves the rest as it is."""

import json
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.errors import InvalidInputError
from scripts.source import remove
from scripts.source.remove import planned_removal, without_source
from tests import orders
from tests.tree import SAMPLE

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parents[3]
_SAMPLE = (_ROOT / "sources" / "jsonplaceholder.py").read_text()
_MANIFEST = "dbt/target/manifest.json"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in ("sources", "dbt"):
        shutil.copytree(_ROOT / folder, tmp_path / folder)
    return tmp_path


def _names(paths: Any, tree: Path) -> set[str]:
    return {path.relative_to(tree).as_posix() for path in paths}


def test_apis_go_with_all_their_sources_and_everything_built_on_them(tree: Path) -> None:
    removal = planned_removal(["posts", "earthquakes"], tree)
    assert removal.sources == ("posts", "comments", "users", "earthquakes")
    assert _names(removal.deleted, tree) == SAMPLE
    assert removal.edited == {}
    assert {"staging.stg_posts", "build.int_post_changes", "marts.fct_posts"} <= {*removal.tables}
    removal.apply()
    left = {path.name for path in (tree / "dbt" / "models").rglob("*.*")}
    assert left == {
        "ledger.yml",
        *("pinned_loads.sql", "pinned_loads.yml"),
        *("carried_rows.sql", "carried_rows.yml"),
        *("published_days.sql", "published_days.yml"),
        *("fct_daily_loads.sql", "fct_daily_loads.yml"),
    }


def test_several_sources_of_an_api_go_together(tree: Path) -> None:
    removal = planned_removal(["comments", "earthquakes", "users"], tree)
    assert _names(removal.deleted, tree) >= {"sources/earthquakes.py"}
    [text] = removal.edited.values()
    assert "SOURCES = (POSTS,)" in text


def test_one_of_several_sources_goes_with_the_marts_that_read_it(tree: Path) -> None:
    removal = planned_removal(["comments"], tree)
    assert removal.sources == ("comments",)
    assert removal.tables == ("marts.dim_authors", "marts.fct_posts", "staging.stg_comments")
    [(path, text)] = removal.edited.items()
    removal.apply()
    assert (path, path.read_text()) == (tree / "sources" / "jsonplaceholder.py", text)
    assert not (tree / "dbt" / "models" / "staging" / "stg_comments.yml").exists()
    assert (tree / "dbt" / "models" / "staging" / "stg_posts.yml").exists()


@pytest.mark.parametrize(
    ("name", "kept", "gone"),
    [
        ("posts", ["Comment", "Place", "User", "COMMENTS, USERS"], ["Post(", "POSTS"]),
        ("comments", ["Post", "Place", "User", "POSTS, USERS"], ["Comment(", "COMMENTS"]),
        (
            "users",
            ["Post", "Comment"],
            ["class User", "class Place", "class Address", "class Company", "USERS"],
        ),
    ],
)
def test_a_declaration_goes_with_the_classes_that_only_it_used(
    tmp_path: Path, name: str, kept: list[str], gone: list[str]
) -> None:
    text = without_source(_SAMPLE, name)
    (tmp_path / "sample.py").write_text(text)
    names = runpy.run_path(str(tmp_path / "sample.py"))
    assert [source.name for source in names["SOURCES"]] == [
        other for other in ("posts", "comments", "users") if other != name
    ]
    assert all(part in text for part in kept)
    assert not [part for part in gone if part in text]


@pytest.mark.parametrize(
    "text",
    [
        _SAMPLE.replace("SOURCES = (POSTS, COMMENTS, USERS)", "SOURCES = tuple([POSTS])"),
        _SAMPLE.replace("POSTS = Source(", "POSTS, OTHER = Source("),
        _SAMPLE.replace('name="posts", path', "name=NAME, path"),
    ],
)
def test_a_declaration_in_another_form_is_left_to_a_person(text: str) -> None:
    with pytest.raises(InvalidInputError, match="by hand"):
        without_source(text, "posts")


def test_an_unknown_name_is_refused_with_the_known_ones(tree: Path) -> None:
    with pytest.raises(InvalidInputError, match="declared: comments, earthquakes, posts, users"):
        planned_removal(["post"], tree)


def test_a_file_that_also_describes_what_stays_is_named(tree: Path) -> None:
    manifest = json.loads((tree / _MANIFEST).read_text())
    manifest["nodes"]["model.elt.pinned_loads"]["patch_path"] = "elt://models/marts/fct_posts.yml"
    (tree / _MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InvalidInputError, match=r"fct_posts\.yml also describes pinned_loads"):
        planned_removal(["posts"], tree)


def test_without_a_manifest_nothing_is_guessed(tree: Path) -> None:
    (tree / _MANIFEST).unlink()
    with pytest.raises(InvalidInputError, match="make manifest"):
        planned_removal(["posts"], tree)


def test_a_child_does_not_stay_without_its_parent(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = {source.name: source for source in (orders.ORDERS, orders.EVENTS)}
    monkeypatch.setattr(remove, "SOURCES", declared)
    with pytest.raises(InvalidInputError, match="events has the parent orders: name it, too"):
        planned_removal(["orders"], tree)
