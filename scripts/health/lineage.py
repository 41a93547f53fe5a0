"""The sources of each mart. Invariant: they come from dbt's manifest alone."""

from functools import cache
from pathlib import Path

import msgspec

from scripts.errors import ConfigurationError
from sources import SOURCES

MANIFEST = Path(__file__).parents[2] / "dbt" / "target" / "manifest.json"
Lineage = dict[str, frozenset[str]]


class _Node(msgspec.Struct):
    name: str
    fqn: list[str]
    columns: dict[str, msgspec.Raw] = {}
    depends_on: dict[str, list[str]] = {}


class _Manifest(msgspec.Struct):
    nodes: dict[str, _Node]


def lineage(manifest: Path = MANIFEST) -> Lineage:
    """Return the source names of each mart: all sources if the mart has a column ``source``.

    Raises:
        ConfigurationError: the manifest does not exist.
    """
    try:
        return _lineage(manifest, manifest.stat().st_mtime_ns)
    except OSError:
        raise ConfigurationError(
            "dbt's manifest dbt/target/manifest.json does not exist: run `make manifest`"
        ) from None


@cache
def _lineage(manifest: Path, _written_at: int) -> Lineage:
    nodes = msgspec.json.decode(manifest.read_bytes(), type=_Manifest).nodes
    models = {name: node for name, node in nodes.items() if name.startswith("model.")}

    def sources(name: str) -> frozenset[str]:
        if name.startswith("source."):
            return frozenset({name.rpartition(".")[2]} & SOURCES.keys())
        parents = models[name].depends_on.get("nodes", []) if name in models else []
        return frozenset().union(*map(sources, parents))

    return {
        node.name: frozenset(SOURCES) if "source" in node.columns else sources(name)
        for name, node in sorted(models.items())
        if node.fqn[1] == "marts"
    }
