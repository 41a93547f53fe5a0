"""A value in a Delta table is the one that its column in PostgreSQL has."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from scripts.load.arrow_rows import microseconds, moment
from sources.declaration import Source
from sources.jsonplaceholder import API
from tests.integration.load.test_binary_copy_keys import _MOMENTS
from tests.integration.load.test_row_decoder import _DECIMALS
from tests.loading import array

pytestmark = pytest.mark.lakehouse


@pytest.mark.parametrize(
    ("type_", "texts"),
    [
        (int, ["0", str(2**63 - 1), str(-(2**63))]),
        (float | None, ["0", "-0.0", "1e308", "5e-324", "0.1", "12345678901234567", "null", ""]),
        (Decimal | None, [*_DECIMALS, '"NaN"', '"Infinity"', '"-Infinity"', "null", ""]),
        (bool | None, ["true", "false", "null"]),
        (str | None, ['""', r'"\u00e9\n"', '"😀"', '"null"', "null"]),
        (UUID | None, ['"6F1C9A52-7f0e-4f4e-9d53-0d6c1f2b3a4d"', "null"]),
        (date | None, ['"0001-01-01"', '"9999-12-31"', "null"]),
        (datetime | None, [f'"{text}"' for text in _MOMENTS]),
        (dict[str, Any], ["{}", '{"b": 1e-16383, "a": {"b": "\\u00e9"}}']),
        (Any, ["1", '"x"', "null", "false", "9" * 5000, "[1.50]", ""]),
    ],
    ids=str,
)
def test_a_value_is_the_one_that_postgresql_has(both: Any, type_: Any, texts: list[str]) -> None:
    default = None if "" in texts else msgspec.NODEFAULT
    field = msgspec.field(name="the value", default=default)
    contract = msgspec.defstruct("Thing", [("id", int), ("it", type_, field)], kw_only=True)
    source = Source(api=API, name="things", path="/things", contract=contract)
    values = [f', "the value": {text}' if text else "" for text in texts]
    records = [f'{{"id": {n}{value}}}'.encode() for n, value in enumerate(values)]
    result = both(source, array(records))
    assert (result.outcome, result.loaded) == ("loaded", len(texts))


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_moment_without_a_year_in_utc_is_read_back(text: str) -> None:
    expected = datetime.fromisoformat(text)
    assert moment(microseconds(expected)) == expected
