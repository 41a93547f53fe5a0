"""The setting chooses where the rows are, and a missing package is named with the next step."""

import sys
from typing import Any

import pytest

from scripts.errors import ConfigurationError
from scripts.load.postgres_rows import PostgresRows
from scripts.load.raw_rows import raw_rows
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit
_NO_CONNECTION: Any = None  # none is used before the first statement


def test_rows_are_in_postgresql_by_default() -> None:
    assert isinstance(raw_rows(_NO_CONNECTION, POSTS), PostgresRows)


def test_a_lakehouse_needs_its_root_and_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_WAREHOUSE", "delta")
    with pytest.raises(ConfigurationError, match="PIPELINE_LAKEHOUSE_ROOT is not set"):
        raw_rows(_NO_CONNECTION, POSTS)
    monkeypatch.setenv("PIPELINE_LAKEHOUSE_ROOT", "/nowhere")
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(ConfigurationError, match=r"install requirements/tools/lakehouse\.txt"):
        raw_rows(_NO_CONNECTION, POSTS)


def test_another_warehouse_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_WAREHOUSE", "iceberg")
    with pytest.raises(ConfigurationError, match="environment: warehouse: "):
        raw_rows(_NO_CONNECTION, POSTS)
