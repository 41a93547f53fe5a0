"""A contract is inferred that the records keep, in the style of this project."""

import importlib
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


def test_the_records_keep_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = infer.contract_of("Order", _RECORDS)
    (tmp_path / "inferred.py").write_text(
        f"import msgspec\nfrom sources.declaration import BigInt\n\n{text}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    order = importlib.import_module("inferred").Order
    for record in _RECORDS:
        decoded = msgspec.json.decode(msgspec.json.encode(record), type=order)
        assert msgspec.to_builtins(decoded) == record
    with pytest.raises(msgspec.ValidationError, match=r"\$\.n"):
        msgspec.convert({**_RECORDS[0], "n": 2**63}, order)
    assert '"""One record."""' in text
    assert "Inferred" not in text


def test_a_generator_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(infer, "_TOOL", tmp_path / "none")
    with pytest.raises(ConfigurationError, match="make source"):
        infer.contract_of("Order", _RECORDS)
