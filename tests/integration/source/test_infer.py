"""A contract is inferred that the records keep, in the style of this project."""

import runpy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scripts.errors import ConfigurationError
from scripts.source import infer

pytestmark = pytest.mark.integration

_RECORDS: list[dict[str, Any]] = [
    {"@id": "a", "n": 1, "price": 1.5, "note": None, "class": "c", "inner": {"tags": ["x"]}},
    {"@id": "b", "n": 2, "price": 1, "note": "n", "class": "c", "inner": {"tags": []}, "more": 1},
]


def _inferred(folder: Path, name: str, records: list[dict[str, Any]]) -> tuple[Any, str]:
    """Return the inferred class, from a module like the one that is written, and its text."""
    contract = infer.contract_of(name, records)
    words = ["import msgspec", "from sources.declaration import Api, BigInt, Source"]
    text = "\n".join([*contract.imports, *words, contract.classes, "USED = Api, Source"])
    (folder / "inferred.py").write_text(text)
    return runpy.run_path(str(folder / "inferred.py"))[name], contract.classes


def test_the_records_keep_the_contract(tmp_path: Path) -> None:
    order, text = _inferred(tmp_path, "Order", _RECORDS)
    for record in _RECORDS:
        decoded = msgspec.json.decode(msgspec.json.encode(record), type=order)
        assert msgspec.to_builtins(decoded) == record
    with pytest.raises(msgspec.ValidationError, match=r"\$\.n"):
        msgspec.convert({**_RECORDS[0], "n": 2**63}, order)
    assert '"""One record."""' in text
    assert "Inferred" not in text


@pytest.mark.parametrize(
    "record",
    [
        {"id": 1, "labels": [], "metadata": {}},  # of unknown types
        {"id": 1, "source": {"kind": "x"}, "api": {"v": 1}, "any": {"n": 1}},  # our own words
        {"id": 1, "order": {"id": 2, "order": {"id": 3}}},  # a part is called as the contract
        {"id": 1, "class": {"def": 1}, "0": {"1": 2}, "a b": {"c-d": 3}, "": 4},
        {"id": 1, "orders": [{"id": 2}], "int": {"int": 5}, "Source": "text"},
        {"id": 1, "str": "x", "float": 1.5, "bool": True, "list": [1], "dict": {"None": None}},
    ],
)
def test_a_record_of_any_names_keeps_the_contract_that_is_inferred_from_it(
    tmp_path: Path, record: dict[str, Any]
) -> None:
    order, _ = _inferred(tmp_path, "Order", [record])
    decoded = msgspec.json.decode(msgspec.json.encode(record), type=order)
    assert msgspec.to_builtins(decoded) == record


def test_a_generator_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(infer, "_TOOL", tmp_path / "none")
    with pytest.raises(ConfigurationError, match="make source"):
        infer.contract_of("Order", _RECORDS)
