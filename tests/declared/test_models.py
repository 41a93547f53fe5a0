"""The models of what is declared, on a real Postgres: they build without data and pass."""

from pathlib import Path

import pytest

from tests.conftest import Warehouse
from tests.integration.dbt.support import Dbt, failures

pytestmark = pytest.mark.integration


def test_the_models_are_built_and_published_without_any_data(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    dbt = Dbt(warehouse, tmp_path)
    dbt.build()
    dbt.publish()
    unit_tests = dbt.invoke(
        "test", "--select", "test_type:unit", env={"DBT_EXCLUDE_RESOURCE_TYPES": ""}
    )
    assert unit_tests.success, failures(unit_tests) or unit_tests.exception
    assert unit_tests.result.results
