"""Tests of the fault suite's tools: the proxy fails as configured, the census counts."""

import io
import random
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.ministack import MiniStack
from scripts.landing.store import Store
from tests import chaos, reports, soak
from tests.fault.pipeline import census
from tests.fault.pipeline.alert_counts import miscounted
from tests.fault.pipeline.census import Book, Census
from tests.fault.pipeline.fault import faults
from tests.fault.pipeline.proxy import S3Fault, S3Proxy, running

pytestmark = pytest.mark.fault
KEY = "raw/posts/2026-01-01.json"


@pytest.fixture
def proxy(ministack: MiniStack) -> Iterator[S3Proxy]:
    with running() as proxy:
        proxy.upstream = ministack.endpoint
        yield proxy


@pytest.fixture
def proxied(proxy: S3Proxy, ministack: MiniStack, store: Store) -> Store:
    return Store.of_session(ministack.session(), store.bucket, endpoint_url=proxy.url)


def test_without_a_fault_everything_passes(proxied: Store, store: Store) -> None:
    version = proxied.put(KEY, io.BytesIO(b"[1]"), "abc")

    assert proxied.head(KEY) == store.head(KEY)
    opened = proxied.open(KEY, version)
    assert opened
    assert b"".join(opened.blocks()) == b"[1]"
    assert [listed.key for listed in proxied.list("raw/")] == [KEY]
    assert proxied.head("raw/none") is None


def test_a_lost_answer_is_of_an_upload_that_took_place(
    proxy: S3Proxy, proxied: Store, store: Store
) -> None:
    proxy.fault = S3Fault("PUT", ".json", times=1, how="lost")
    proxied.put(KEY, io.BytesIO(b"[1]"), "abc")

    assert proxy.fault.struck == 1
    assert len(list(store.versions(KEY))) == 2  # boto3 retried


def test_a_503_asks_nobody(proxy: S3Proxy, proxied: Store) -> None:
    proxy.fault = S3Fault("PUT", ".json", times=1)
    url = f"{proxy.url}/{proxied.bucket}/{KEY}"

    assert requests.put(url, data=b"[1]", timeout=30).status_code == 503
    assert proxied.head(KEY) is None
    assert proxy.fault.struck == 1


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda rows: rows, (0, 0, 0)),
        (lambda rows: rows[1:], (1, 0, 0)),
        (lambda rows: [*rows, rows[0]], (0, 1, 0)),
        (lambda rows: [*rows[1:], (*rows[0][:3], "old", "b")], (1, 0, 1)),
    ],
    ids=["right", "lost", "duplicated", "mixed"],
)
def test_the_census_tells_what_is_wrong(
    change: Any, found: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Book()
    book.write(book.new_day())
    rows = change(list(book.records()))
    place = ("here", book.records(), lambda: rows)
    monkeypatch.setattr(census, "_places", lambda *_: [place])

    nothing: Any = None  # the test replaces the places
    [counted] = census.census(nothing, book)

    assert counted == Census("here", *found)


_BEGUN = ("[local] it failed (all days)", "Error: x\nincident 3 · it/run-failed")
_AGAIN = ("[local] it failed (all days)", "Error: x\nincident not recorded · it/run-failed")
_ENDED = ("[local] recovered after 0:01:00: it failed (all days)", "incident 3 · it/run-failed")
_PART = [
    ("[local] a part does not answer (all days)", "[{'text': 'incident 4 · a part/no-answer'}]"),
    ("[local] recovered after 0:01:00: a part", "incident 4 · a part/no-answer\r\n"),
]


@pytest.mark.parametrize(
    ("incidents", "sent", "wrong"),
    [
        (["it/run-failed"], [_BEGUN, _ENDED], []),
        (["it/run-failed", "a part/no-answer"], [_BEGUN, _ENDED, *_PART], []),
        ([], [], ["it failed and was no incident"]),
        (["it/run-failed"], [_BEGUN], ["slack: it/run-failed began 1 times, ended 0"]),
        (
            ["it/run-failed"],
            [_BEGUN, _AGAIN, _ENDED],
            ["slack: it/run-failed began 2 times, ended 1"],
        ),
        (["it/run-failed"], [_ENDED], ["slack: it/run-failed began 0 times, ended 1"]),
        (
            ["it/run-failed", "it/run-failed"],
            [_BEGUN, _ENDED, _BEGUN, _ENDED],
            [
                "it/run-failed was 2 incidents",
                "slack: it/run-failed began 2 times, ended 2",
            ],
        ),
    ],
    ids=[
        "right",
        "a name of two words",
        "nobody",
        "no end",
        "twice",
        "no beginning",
        "two incidents",
    ],
)
def test_what_was_reported_wrongly_is_named(
    incidents: list[str], sent: list[tuple[str, str]], wrong: list[str]
) -> None:
    messages = {"slack": sent}
    assert list(miscounted({"it"}, incidents, messages, is_warehouse_down=False)) == wrong


def test_without_the_warehouse_a_beginning_may_be_reported_again_but_not_an_end() -> None:
    one, twice = [_BEGUN, _AGAIN, _ENDED], [_BEGUN, _ENDED, _ENDED]
    cause = ["it/run-failed"]
    assert list(miscounted([], cause, {"mail": one}, is_warehouse_down=True)) == []
    assert len(list(miscounted([], cause, {"mail": twice}, is_warehouse_down=True))) == 1


def test_the_same_seed_draws_the_same_faults_and_each_before_one_again() -> None:
    days = len(faults())
    drawn = [fault.name for fault in soak.drawn(days + 3, random.Random(7))]

    assert drawn == [fault.name for fault in soak.drawn(days + 3, random.Random(7))]
    assert set(drawn[:days]) == set(faults())


def test_the_soak_says_what_it_has_counted() -> None:
    seen = soak.Soak({"a": [10.0, 20.0], "b": [30.0]}, 60, [Census("S3", 1, 2, 3)])
    assert seen.line() == (
        "records=60 lost=1 duplicated=2 mixed=3 faults=3 heal_p50=20s heal_p95=29s"
    )


def test_chaos_says_what_it_has_counted() -> None:
    seen = chaos.Chaos(3, 8, 2, 2000, 41.5, [Census("S3", 1, 0, 3), Census("raw", 1, 2, 0)])
    assert seen.line() == (
        "records=2000 lost=2 duplicated=2 mixed=3 stops=3 days=8 rewritten=2 healed=42s"
    )


def test_the_page_on_reliability_is_written_anew_between_its_marks() -> None:
    seen = soak.Soak({next(iter(faults())): [10.0]}, 20)
    page = reports.DOCUMENT.read_text()

    first = soak.written(page, seen, "make soak")

    assert soak.written(first, seen, "make soak") == first
    assert first.startswith(page.partition("<!-- soak:begin -->")[0])
    assert first.endswith(page.partition("<!-- soak:end -->")[2])
    assert "| 10 s |\n" in first


def test_the_page_on_reliability_names_every_fault() -> None:
    page = reports.DOCUMENT.read_text()
    assert [fault.name for fault in faults().values() if f"| {fault.name} |" not in page] == []
