"""How a load ended, in one line."""

from datetime import date

import pytest

from scripts.load.attempt import LoadResult

pytestmark = pytest.mark.unit

_KEY = "raw/posts/2026-01-31.json"


def _result(**changes: object) -> LoadResult:
    values: dict[str, object] = {"source": "posts", "day": date(2026, 1, 31), "key": _KEY}
    return LoadResult(**{**values, **changes})  # type: ignore[arg-type]  # built from a dict


@pytest.mark.parametrize(
    ("result", "parts"),
    [
        (_result(outcome="absent"), ["Ingest the day"]),
        (_result(outcome="parked", reason="not an array"), ["parked", "not an array"]),
        (
            _result(outcome="loaded", load_id=7, received=10, loaded=9, rejected=1),
            ["9 of 10 records", "1 rejected", "load 7"],
        ),
        (_result(outcome="unchanged", load_id=7, received=10, loaded=10), ["unchanged"]),
    ],
    ids=["absent", "parked", "loaded", "unchanged"],
)
def test_the_line_names_the_object_and_what_happened(result: LoadResult, parts: list[str]) -> None:
    assert result.line().startswith(_KEY)
    assert [part for part in parts if part not in result.line()] == []
