"""The models, built on real rows: unit tests of dbt, history, and the gates."""

from pathlib import Path

import pytest

from tests.conftest import Warehouse
from tests.integration.dbt_support import Dbt, Loader, days, failures, post

pytestmark = pytest.mark.integration

FIRST, SECOND, THIRD = days(3)


@pytest.fixture
def dbt(warehouse: Warehouse, tmp_path: Path) -> Dbt:
    return Dbt(warehouse, tmp_path)


@pytest.fixture
def loader(warehouse: Warehouse) -> Loader:
    return Loader(warehouse)


def test_unit_tests_of_the_models_pass(dbt: Dbt) -> None:
    assert dbt.invoke("run", "--empty").success  # the types of the inputs come from the tables
    result = dbt.invoke(
        "test", "--select", "test_type:unit", env={"DBT_EXCLUDE_RESOURCE_TYPES": ""}
    )
    assert result.success, failures(result)
    assert len(result.result.results) > 8
