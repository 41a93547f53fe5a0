"""Rules that only the models of the sample keep. The rules of every model are in tests/declared."""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.unit

_MANIFEST = Path(__file__).parents[3] / "dbt" / "target" / "manifest.json"


@pytest.fixture
def nodes() -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(_MANIFEST.read_text())["nodes"]
    return list(found.values())


def test_the_history_of_posts_is_computed_once(nodes: list[dict[str, Any]]) -> None:
    marts = [node for node in nodes if node["resource_type"] == "model" and "marts" in node["fqn"]]
    assert len(marts) > 3
    for mart in marts:
        assert "model.elt.stg_posts" not in mart["depends_on"]["nodes"], mart["name"]


def test_only_these_tests_warn(nodes: list[dict[str, Any]]) -> None:
    warning = {n["name"] for n in nodes if n["config"].get("severity", "").lower() == "warn"}
    assert warning == {"volume_is_usual", "authors_are_users", "comments_are_on_posts"}
