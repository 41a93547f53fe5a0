"""A source is a value with safe defaults, and its integers fit into PostgreSQL."""

from dataclasses import FrozenInstanceError
from typing import Any

import msgspec
import pytest

from sources import SOURCES, BigInt, Source

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("number", [-(2**63), 0, 2**63 - 1])
def test_a_bigint_holds_what_postgresqls_bigint_holds(number: int) -> None:
    assert msgspec.json.decode(str(number).encode(), type=BigInt) == number


@pytest.mark.parametrize("number", [-(2**63) - 1, 2**63, 2**64])
def test_a_larger_integer_is_refused(number: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(str(number).encode(), type=BigInt)


def test_a_source_is_keyed_by_its_id_and_refuses_an_empty_list_unless_it_says_otherwise() -> None:
    source = Source(name="a", path="/a", contract=msgspec.Struct)
    assert (source.key, source.allows_empty, source.on_new_field) == (("id",), False, "evolve")


def test_a_declared_source_cannot_be_changed() -> None:
    source: Any = Source(name="a", path="/a", contract=msgspec.Struct)
    with pytest.raises(FrozenInstanceError):
        source.name = "b"
    sources: Any = SOURCES
    with pytest.raises(TypeError):
        sources["a"] = source
