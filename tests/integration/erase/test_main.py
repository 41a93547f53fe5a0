"""`python -m scripts.erase`: arguments and exit status."""

import pytest

from scripts.landing.store import Store
from tests.conftest import Warehouse
from tests.loading import (
    run,
)

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "arguments", [[], ["--id", "7", "--day", "2026-01-31"], ["--id", "7", "--id", "8"]]
)
def test_exactly_one_record_or_day_must_be_named(
    warehouse: Warehouse, store: Store, arguments: list[str]
) -> None:
    refused = run(store, warehouse, "erase", "--source", "posts", *arguments)
    assert refused.returncode == 2
    assert "give --id <id>, or else --day" in refused.stderr
