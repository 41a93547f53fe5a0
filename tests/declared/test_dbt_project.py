"""The rules of the dbt project, checked on its manifest without a database."""

import json
import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from dbt.cli.main import dbtRunner

from sources import SOURCES

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).parents[2] / "dbt"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The manifest, parsed without any of the profile's variables."""
    environment = {
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(tmp_path_factory.mktemp("target")),
        "DBT_LOG_LEVEL_FILE": "none",
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
    with mock.patch.dict(os.environ, {**others, **environment}, clear=True):
        result = dbtRunner().invoke(["--quiet", "--warn-error", "parse"])
    assert result.success, result.exception
    return result.result


@pytest.fixture(scope="module")
def drawn() -> dict[str, Any]:
    """The manifest from which Airflow builds the DAG. `make manifest` creates it."""
    found: dict[str, Any] = json.loads((PROJECT / "target" / "manifest.json").read_text())
    return found


def test_the_dag_is_drawn_from_the_project_as_it_is(manifest: Any, drawn: dict[str, Any]) -> None:
    """A stale manifest shows a graph that dbt does not build. Run `make manifest` to update it."""
    parsed = {
        name: [node.checksum.checksum, sorted(node.depends_on.nodes)]
        for name, node in manifest.nodes.items()
        if node.resource_type in ("model", "test")
    }
    assert parsed == {
        name: [node["checksum"]["checksum"], sorted(node["depends_on"]["nodes"])]
        for name, node in drawn["nodes"].items()
        if node["resource_type"] in ("model", "test")
    }


def models(manifest: Any, folder: str = "") -> list[Any]:
    return [
        node
        for node in manifest.nodes.values()
        if node.resource_type == "model" and folder in ("", node.fqn[1])
    ]


def test_every_model_states_its_grain(manifest: Any) -> None:
    assert models(manifest)
    assert not [m.name for m in models(manifest) if "One row per" not in m.description]


def test_yaml_stands_beside_its_sql(manifest: Any) -> None:
    for model in models(manifest):
        expected = model.original_file_path.removesuffix(".sql") + ".yml"
        assert model.patch_path == f"elt://{expected}"


def test_every_model_has_a_unit_test(manifest: Any) -> None:
    tested = {unit_test.model for unit_test in manifest.unit_tests.values()}
    assert tested == {model.name for model in models(manifest)}


def test_every_mart_has_an_enforced_contract_with_a_primary_key(manifest: Any) -> None:
    for mart in models(manifest, "marts"):
        constraints = [*mart.constraints]
        for column in mart.columns.values():
            constraints += column.constraints
        assert mart.contract.enforced, mart.name
        assert "primary_key" in [constraint.type for constraint in constraints], mart.name


def test_models_live_in_the_schemas_that_the_migration_made(manifest: Any) -> None:
    places = {model.name: (model.schema, model.config.materialized) for model in models(manifest)}
    for model in models(manifest, "marts") + models(manifest, "intermediate"):
        assert places[model.name][0] == "build"
    records = {f"stg_{source}" for source in SOURCES}
    assert {places[name] for name in records} == {("staging", "view")}
    assert places["pinned_loads"] == ("build", "incremental")  # pinned: never a view


def test_every_declared_source_is_staged_and_held_against_its_ledger(manifest: Any) -> None:
    read = {source.name for source in manifest.sources.values() if source.source_name == "raw"}
    assert read == set(SOURCES)
    names = {node.name for node in manifest.nodes.values()}
    for source in SOURCES:
        assert {f"stg_{source}", f"{source}_match_the_ledger"} <= names


def test_only_staging_reads_raw(manifest: Any) -> None:
    for model in models(manifest):
        if model.fqn[1] != "staging" and model.name not in {"pinned_loads", "carried_rows"}:
            reads = model.depends_on.nodes
            assert not [name for name in reads if name.startswith("source.")], model.name


def test_failing_rows_are_kept(manifest: Any) -> None:
    tests = [node for node in manifest.nodes.values() if node.resource_type == "test"]
    assert tests
    assert all(test.config.store_failures and test.schema == "build" for test in tests)


def test_no_test_needs_two_models_of_which_neither_reads_the_other(manifest: Any) -> None:
    """With one task per model, no task would run such a test."""
    for test in manifest.nodes.values():
        parents = [name for name in test.depends_on.nodes if name in manifest.nodes]
        if test.resource_type == "test" and parents:  # tests of sources have a separate task
            assert any(_reads(manifest, parent, set(parents)) for parent in parents), test.name


def _reads(manifest: Any, model: str, wanted: set[str]) -> bool:
    """Return whether the model and its ancestors contain all of the wanted models."""
    found = {model}
    queue = [model]
    while queue:
        parents = set(manifest.nodes[queue.pop()].depends_on.nodes) & set(manifest.nodes)
        queue += parents - found
        found |= parents
    return wanted <= found
