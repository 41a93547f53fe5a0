"""The benchmark itself, from end to end; whether its goal is met is not asserted here."""

import pytest

from benchmarks.health import measure

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def test_a_month_is_measured() -> None:
    figures, facts = measure(days=31, looks=2)
    assert facts["ledger"] == "108 rows, 31 days of 3 sources"
    values = {figure.name: figure.value for figure in figures}
    assert len(values) == 8
    assert all(value > 0 for name, value in values.items() if "Postgres" not in name)
