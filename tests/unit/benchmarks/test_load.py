"""The benchmark itself, end to end. The test does not check whether its goals are met."""

import json

import pytest

from benchmarks.load import measure

pytestmark = pytest.mark.integration


def test_a_thousand_rows_are_measured() -> None:
    lines: list[str] = []
    report = measure(1000, 1, lines.append, with_peers=False, is_full=False)
    values = json.loads(json.dumps(report.as_json()))
    assert list(values["loads"]["1000"]) == ["limit", "two", "whole", "load", "rerun", "bad"]
    assert all(s["client_cpu"] > 0 for s in values["loads"]["1000"]["load"])
    assert len(report.figures) == 15
    text = report.markdown()
    assert "share of the limit, clean" in text
    assert "our load, 0.1 % bad records" in text
    assert len(lines) == 13
