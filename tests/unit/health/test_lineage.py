"""The sources of each mart, according to dbt's manifest."""

from pathlib import Path

import msgspec
import pytest

from scripts.errors import ConfigurationError
from scripts.health.lineage import lineage
from sources import SOURCES

pytestmark = pytest.mark.unit


def _model(name: str, folder: str, *reads: str, columns: tuple[str, ...] = ()) -> dict[str, object]:
    return {
        "name": name,
        "resource_type": "model",
        "fqn": ["elt", folder, name],
        "columns": {column: {} for column in columns},
        "depends_on": {"nodes": list(reads)},
    }


def test_a_mart_has_the_sources_that_it_reaches(tmp_path: Path) -> None:
    nodes = {
        "model.elt.stg_posts": _model("stg_posts", "staging", "source.elt.raw.posts"),
        "model.elt.pinned_loads": _model("pinned_loads", "staging", "source.elt.ops.loads"),
        "model.elt.fct": _model("fct", "marts", "model.elt.stg_posts", "model.elt.pinned_loads"),
        "model.elt.dim": _model("dim", "marts", "model.elt.fct", "source.elt.raw.users"),
        "model.elt.volume": _model(
            "volume", "marts", "model.elt.pinned_loads", columns=("source",)
        ),
        "test.elt.t": {"name": "t", "resource_type": "test", "fqn": ["elt", "marts", "t"]},
    }
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(msgspec.json.encode({"nodes": nodes}))
    assert lineage(manifest) == {
        "dim": {"posts", "users"},
        "fct": {"posts"},
        "volume": set(SOURCES),
    }


def test_a_missing_manifest_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="make manifest"):
        lineage(tmp_path / "manifest.json")
