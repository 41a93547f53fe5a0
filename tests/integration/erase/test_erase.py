"""Erasure deletes a record everywhere and permanently, and deletes nothing else."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from local.ministack import MiniStack
from local.postgres import PostgresServer
from scripts.erase.erase import erase_day, erase_records
from scripts.erase.wanted import Wanted
from scripts.landing.keys import FIRST_DAY, parse_any_day, raw_key
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.reconcile.pending import plan_work, survey_landing
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.loading import (
    DAY,
    KEY,
    SETTINGS,
    array,
    bucket_of,
    database_of,
    ledger,
    load_day,
    payloads,
    post,
    put,
    put_foreign,
    query,
    rejects,
    run,
)
from tests.warehouses import count, dbt_place, marts, traces

pytestmark = pytest.mark.integration

MARK, DAY_MARK = "erase-this-one", "erase-this-day"
BEFORE, NEXT, LATER = (DAY + timedelta(days=n) for n in (-900, 1, 2))
SEVEN = Wanted.of_key(POSTS, "7")
_COUNTS = """
    select count(*) from ops.loads
    where is_current and (received <> loaded + rejected or loaded <> (
        select count(*) from raw.posts_rows where posts_rows.load_id = loads.load_id))
"""


def _land(store: Store, warehouse: Warehouse, day: date, records: list[Any]) -> None:
    put(store, array(records), key=raw_key("posts", day))
    load(POSTS, day, store, warehouse.loader, SETTINGS)


def _erase(store: Store, warehouse: Warehouse, wanted: Wanted = SEVEN) -> dict[str, int]:
    counts, unreadable = erase_records(
        wanted, store, warehouse.loader, SETTINGS, lambda _text: None
    )
    assert unreadable == []
    return counts


def _body(store: Store, key: str = KEY) -> bytes | None:
    opened = store.open(key)
    return b"".join(opened.blocks()) if opened else None


def _is_settled(store: Store, warehouse: Warehouse) -> bool:
    """Return whether nothing is pending and the ledger's counts match the rows."""
    waiting = survey_landing(store, warehouse.loader, FIRST_DAY).waiting
    return not waiting and query(warehouse, _COUNTS) == [(0,)]


@pytest.fixture(scope="module")
def place(
    postgres: PostgresServer,
    _migrated_template: str,
    ministack: MiniStack,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Store, Warehouse, dict[str, str]]]:
    """A pipeline with the record in current, replaced and parked loads, rejects and marts."""
    store = bucket_of(ministack, "erase-landing")
    with database_of(postgres, _migrated_template, "erase") as warehouse:
        _land(store, warehouse, BEFORE, [post(1), post(7, title=MARK), post(8)])
        _land(store, warehouse, DAY, [post(1), post(7, title=MARK), post(8)])
        _land(store, warehouse, DAY, [post(1), b'{"id": 7, "title": "%b"}' % MARK.encode()])
        _land(store, warehouse, NEXT, [post(2), post(7, body=MARK)])
        _land(store, warehouse, NEXT, [post(2), b'{"id":7,"note":"%b",]' % MARK.encode()])
        _land(store, warehouse, NEXT, [post(2), post(3)])
        _land(store, warehouse, LATER, [post(1), post(5, title=DAY_MARK)])
        _land(store, warehouse, LATER, [post(1, title=DAY_MARK)])
        environment = dbt_place(warehouse, tmp_path_factory.mktemp("dbt"))
        connection = {
            "conn_type": "postgres",
            "host": environ_of(environment, "HOST"),
            "port": int(environ_of(environment, "PORT")),
            "login": environ_of(environment, "USER"),
            "password": environ_of(environment, "PASSWORD"),
            "schema": environ_of(environment, "DBNAME"),
        }
        environment["AIRFLOW_CONN_DBT_POSTGRES_CONN"] = json.dumps(connection)
        done = run(store, warehouse, "dbt", **environment)
        assert done.returncode == 0, done.stderr
        yield store, warehouse, environment


def environ_of(environment: dict[str, str], name: str) -> str:
    return environment.pop(f"DBT_{name}")


@pytest.mark.fault
@pytest.mark.thorough
def test_a_record_and_a_day_are_erased_for_good_through_kills_at_every_step(
    place: tuple[Store, Warehouse, dict[str, str]],
) -> None:
    store, warehouse, environment = place
    others = "select md5(string_agg(c::text, '|' order by c::text)) from marts.fct_post_changes c"
    others += f" where post_id <> 7 and day < '{LATER}'"
    untouched = count(warehouse, others)
    assert len(traces(warehouse, store, MARK)) > 8
    command = ("erase", "--source", "posts", "--id", "7")

    for step in ("after_put", "after_objects", "after_rows", "after_loads"):
        killed = run(store, warehouse, *command, **environment, PIPELINE_KILL_AT=f"erase.{step}")
        assert killed.returncode == -9, (step, killed.stderr)
    assert "marts" in " ".join(traces(warehouse, store, MARK))
    done = run(store, warehouse, *command, **environment)

    assert (done.returncode, done.stderr) == (0, "")
    assert "0 records, 0 objects" in done.stdout
    assert traces(warehouse, store, MARK) == []
    assert count(warehouse, others) == untouched
    assert count(warehouse, "select count(*) from marts.fct_posts where post_id = 7") == 0
    assert _is_settled(store, warehouse)

    command = ("erase", "--source", "posts", "--day", LATER.isoformat())
    for step in ("after_objects", "after_rows"):
        killed = run(store, warehouse, *command, **environment, PIPELINE_KILL_AT=f"erase.{step}")
        assert killed.returncode == -9, (step, killed.stderr)
    done = run(store, warehouse, *command, **environment)

    assert (done.returncode, done.stderr) == (0, "")
    assert traces(warehouse, store, DAY_MARK) == []
    assert count(warehouse, others) == untouched
    assert _is_settled(store, warehouse)
    assert plan_work(store, warehouse.loader, SETTINGS).unpublished == 0

    erased = marts(warehouse)
    rebuilt = run(store, warehouse, "rebuild", **environment)
    assert (rebuilt.returncode, rebuilt.stderr) == (0, "")
    assert traces(warehouse, store, MARK) + traces(warehouse, store, DAY_MARK) == []
    assert marts(warehouse) == erased


def test_a_rewritten_object_is_what_would_have_landed_without_the_record(
    warehouse: Warehouse, store: Store
) -> None:
    _land(store, warehouse, DAY, [post(1), post(7), b'{"id": 70.0}', post(8, title="\u20ac")])
    counts = _erase(store, warehouse)

    body = array([post(1), b'{"id": 70.0}', post(8, title="\u20ac")])
    assert counts == {
        "records": 1,
        "objects": 1,
        "versions": 1,
        "uploads": 0,
        "rows": 1,
        "rejects": 0,
    }
    assert _body(store) == body
    assert len(list(store.versions(KEY))) == 1
    assert ledger(warehouse, "is_current, received, loaded, rejected, sha256")[-1] == (
        (True, 3, 2, 1, sha256(body).hexdigest())
    )
    assert _is_settled(store, warehouse)

    assert set(_erase(store, warehouse).values()) == {0}
    assert _body(store) == body


def test_parts_of_a_day_are_erased_too(warehouse: Warehouse, store: Store) -> None:
    _land(store, warehouse, DAY, [post(1), post(7, title=MARK)])
    for key in ("parts/posts/2026-01-31/0000.json", "parts/posts/2026-01-01/state.json"):
        put_foreign(store, MARK.encode(), key=key)
        put_foreign(store, MARK.encode(), key=key)
    assert _erase(store, warehouse)["versions"] == 4 + 1
    assert list(store.versions("parts/")) == []
    put_foreign(store, MARK.encode(), key=f"parts/posts/{DAY}/0000.json")
    put_foreign(store, b"kept", key="parts/posts/2025-01-01/0000.json")
    erase_day(POSTS, DAY, store, warehouse.loader)
    assert [found.key for found in store.versions("parts/")] == ["parts/posts/2025-01-01/0000.json"]
    assert traces(warehouse, store, MARK) == []


def test_a_rewritten_object_still_says_when_it_was_asked_for(
    warehouse: Warehouse, store: Store
) -> None:
    asked_at = datetime(2026, 2, 3, tzinfo=UTC)
    body = array([post(1), post(7)])
    store.put(KEY, io.BytesIO(body), sha256(body).hexdigest(), asked_at)
    assert load_day(store, warehouse).loaded == 2
    _erase(store, warehouse)
    assert ledger(warehouse, "loaded, as_of")[-1] == (1, asked_at)


def test_what_no_loader_takes_is_erased_too(warehouse: Warehouse, store: Store) -> None:
    small = SETTINGS.model_copy(update={"max_record_bytes": 100_000, "max_reject_share": 1.0})
    late = b'{"note": "%b", "id": 7}' % (b"x" * 150_000)
    late_other = b'{"note": "%b", "id": 8}' % (b"y" * 150_000)
    wild = [b'{"id": "7", }', b'{"id" : 7}', b'{"id": 7.0}', b"[7]", b"7", b'{"id": 71, }', late]
    put(store, array([post(1), *wild, late_other]))
    load(POSTS, DAY, store, warehouse.loader, small)

    counts, unreadable = erase_records(SEVEN, store, warehouse.loader, small, lambda _text: None)

    assert unreadable == []
    assert counts["records"] == 4
    assert _body(store) == array([post(1), b"[7]", b"7", b'{"id": 71, }', late_other])
    assert [
        row[0] for row in query(warehouse, "select rejected from ops.loads where is_current")
    ] == [4]
    assert _is_settled(store, warehouse)


def test_an_object_of_which_nothing_is_left_goes_with_its_day(
    warehouse: Warehouse, store: Store
) -> None:
    _land(store, warehouse, DAY, [post(7)])
    _land(store, warehouse, NEXT, [post(1)])
    _erase(store, warehouse)
    assert {v.key for v in store.versions("")} == {raw_key("posts", NEXT)}
    assert ledger(warehouse, "day, loaded") == [(NEXT, 1)]


def test_only_replaced_versions_that_hold_it_cost_no_new_version(
    warehouse: Warehouse, store: Store
) -> None:
    _land(store, warehouse, DAY, [post(7)])
    store.client.delete_object(Bucket=store.bucket, Key=KEY)
    _land(store, warehouse, DAY, [post(1)])
    kept = [v for v in store.versions(KEY) if v.is_latest]
    assert _erase(store, warehouse)["versions"] == 2
    assert list(store.versions(KEY)) == kept
    assert [p["id"] for p in payloads(warehouse)] == [1]


def test_an_object_that_was_deleted_leaves_no_versions_behind(
    warehouse: Warehouse, store: Store
) -> None:
    put(store, array([post(7)]))
    store.client.delete_object(Bucket=store.bucket, Key=KEY)
    assert _erase(store, warehouse)["versions"] == 2
    assert list(store.versions("")) == []


def test_a_record_less_refuses_no_object_for_its_share_of_rejects(
    warehouse: Warehouse, store: Store
) -> None:
    _land(store, warehouse, DAY, [post(1), b'{"id": 2}', b'{"id": 3}', post(7)])  # exactly half
    _erase(store, warehouse)
    assert ledger(warehouse)[-1] == ("loaded", True, 1)
    assert len(rejects(warehouse)) == 4


@pytest.mark.parametrize("is_parked_before", [True, False])
def test_a_bad_object_is_parked_and_the_load_before_it_stays(
    warehouse: Warehouse, store: Store, is_parked_before: bool
) -> None:
    _land(store, warehouse, DAY, [post(1), post(7)])
    put(store, array([b'{"id": 7}', b'{"id": 8}', b"8", post(9)]))
    if is_parked_before:
        assert load_day(store, warehouse).outcome == "parked"

    for _ in range(2):
        _erase(store, warehouse)
        assert [p["id"] for p in payloads(warehouse)] == [1]
        assert _is_settled(store, warehouse)
    assert _body(store) == array([b'{"id": 8}', b"8", post(9)])


def test_an_object_that_cannot_be_cut_into_records_is_named(
    warehouse: Warehouse, store: Store
) -> None:
    put(store, b'[{"id": 7, "title": ')
    other = raw_key("posts", NEXT)
    put(store, b'[{"id": 70, "title": ', key=other)
    put(store, array([post(8)]), key=other)  # the version before it cannot be searched either
    _, unreadable = erase_records(SEVEN, store, warehouse.loader, SETTINGS, lambda _text: None)
    assert unreadable == [KEY, other]

    put(store, array([post(7), post(8)]), key=other)
    _, unreadable = erase_records(SEVEN, store, warehouse.loader, SETTINGS, lambda _text: None)
    assert unreadable == [KEY], "what stood beside the record was deleted with it"


def test_an_object_that_ends_too_early_does_not_stop_the_erasure(
    warehouse: Warehouse, store: Store
) -> None:
    broken = array([post(7), post(8)])[:-4]  # the record is in the part that can be read
    put(store, broken)
    other = raw_key("posts", NEXT)
    put(store, array([post(7), post(8)]), key=other)
    _, unreadable = erase_records(SEVEN, store, warehouse.loader, SETTINGS, lambda _text: None)
    assert unreadable == [KEY]
    assert _body(store) == broken
    assert [p["id"] for p in payloads(warehouse)] == [8]


class _Rival(Store):
    """Rewrites the object once, just before its replacement."""

    content: bytes | None = None

    def replace(self, *arguments: Any) -> str | None:
        content, self.content = self.content, None
        if content:
            put_foreign(self, content)
        return super().replace(*arguments)

    def delete_versions(self, versions: Any) -> None:
        content, self.content = self.content, None
        if content:
            put_foreign(self, content)
        super().delete_versions(versions)


@pytest.mark.parametrize("rest", [[post(1)], []])
def test_what_another_writer_lands_meanwhile_is_kept(
    warehouse: Warehouse, store: Store, rest: list[Any]
) -> None:
    put(store, array([*rest, post(7)]))
    rival = _Rival(store.client, store.bucket)
    rival.content = array([post(2), post(7), post(3)])
    _erase(rival, warehouse)
    assert _body(store) == array([post(2), post(3)])
    assert len(list(store.versions(KEY))) == 1
    assert [p["id"] for p in payloads(warehouse)] == [2, 3]


def test_a_kill_while_versions_go_brings_no_older_one_to_light(
    warehouse: Warehouse, store: Store
) -> None:
    for number in range(3):
        put(store, array([post(number)]))
    latest = [v.version_id for v in store.versions(KEY) if v.is_latest]
    batches: list[list[str]] = []
    store.client.meta.events.register(
        "provide-client-params.s3.DeleteObjects",
        lambda params, **_: batches.append([o["VersionId"] for o in params["Delete"]["Objects"]]),
    )
    erase_day(POSTS, DAY, store, warehouse.loader)
    assert [len(batch) for batch in batches] == [2, 1]
    assert batches[-1] == latest
    assert list(store.versions(KEY)) == []


@pytest.mark.parametrize("day", ["2062-01-31", "0001-01-01"])
def test_a_record_is_erased_from_the_object_of_a_day_that_cannot_be(
    store: Store, warehouse: Warehouse, day: str
) -> None:
    """Such an object is never loaded, but it holds the record all the same."""
    key = f"raw/posts/{day}.json"
    put(store, array([post(7, title=MARK), post(8)]), key=key)
    assert _erase(store, warehouse)["records"] == 1
    assert traces(warehouse, store, MARK) == []
    assert b'"id": 8' in (_body(store, key) or b"")
    erase_day(POSTS, parse_any_day(day), store, warehouse.loader)
    assert _body(store, key) is None


def test_a_version_that_the_bucket_does_not_give_out_is_named_and_stops_nothing(
    store: Store, warehouse: Warehouse
) -> None:
    secret = raw_key("posts", NEXT)
    store.client.put_object(
        Bucket=store.bucket,
        Key=secret,
        Body=array([post(7, title=MARK)]),
        SSECustomerAlgorithm="AES256",
        SSECustomerKey="k" * 32,
    )
    put(store, array([post(7, title=MARK), post(8)]), key=KEY)
    counts, unreadable = erase_records(SEVEN, store, warehouse.loader, SETTINGS, lambda _text: None)
    assert (counts["records"], unreadable) == (1, [secret])
    assert MARK.encode() not in (_body(store, KEY) or b"")
