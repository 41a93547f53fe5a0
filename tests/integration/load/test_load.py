"""What the loader does with every possible content of an object, on real servers."""

import io
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from local.ministack import MiniStack
from local.postgres import PostgresServer
from scripts.errors import BrokenInvariantError, UnavailableError
from scripts.landing.keys import FIRST_DAY, raw_key
from scripts.landing.store import ObjectInfo, Store
from scripts.load.attempt import LoadResult
from scripts.load.load import load, load_work
from scripts.reconcile.pending import Work, survey_landing
from scripts.settings import RunSettings
from sources.declaration import Window
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.loading import (
    DAY,
    KEY,
    SETTINGS,
    array,
    bucket_of,
    database_of,
    empty,
    ledger,
    load_day,
    payloads,
    post,
    put,
    put_foreign,
    query,
    rejects,
    whole_record,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def _database(postgres: PostgresServer, _migrated_template: str) -> Iterator[Warehouse]:
    with database_of(postgres, _migrated_template, "test_load") as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(_database: Warehouse) -> Warehouse:
    empty(_database)
    return _database


@pytest.fixture(scope="module")
def _bucket(ministack: MiniStack) -> Store:
    return bucket_of(ministack, "test-load")


@pytest.fixture
def store(_bucket: Store) -> Store:
    _bucket.client.delete_object(Bucket=_bucket.bucket, Key=KEY)
    return _bucket


def test_an_object_is_loaded_with_its_ledger_row(store: Store, warehouse: Warehouse) -> None:
    records = [post(n) for n in range(1, 101)]
    body = array(records)
    put(store, body)

    result = load_day(store, warehouse, run_id="by hand")

    assert replace(result, seconds=0) == LoadResult(
        "posts", DAY, KEY, "loaded", load_id=1, received=100, loaded=100
    )
    assert payloads(warehouse) == records
    columns = "source, day, key, bytes, sha256, received, loaded, rejected, run_id, published_at"
    assert ledger(warehouse, columns) == [
        ("posts", DAY, KEY, len(body), sha256(body).hexdigest(), 100, 100, 0, "by hand", None)
    ]
    listed = next(iter(store.list(KEY)))
    assert ledger(warehouse, "etag, last_modified") == [(listed.etag, listed.last_modified)]
    extent = "select count(*), min(id), max(id), min(position), max(position) from raw.posts"
    assert query(warehouse, extent) == [(100, 1, 100, 0, 99)]


def test_the_ledger_knows_the_kind_of_day_and_when_it_was_asked_for_too_late(
    store: Store, warehouse: Warehouse
) -> None:
    asked_at = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
    body = array([post(1)])
    store.put(KEY, io.BytesIO(body), sha256(body).hexdigest(), asked_at)
    windows = replace(POSTS, day=Window("from", "to"))
    load_day(store, warehouse)
    put(store, array([post(2)]))
    load_day(store, warehouse, source=windows)
    put(store, b"<html>")
    load_day(store, warehouse, source=windows)
    assert ledger(warehouse, "day_kind, as_of") == [
        ("snapshot", asked_at),
        ("window", None),
        ("window", None),
    ]


def test_another_producer_can_write_anything_into_the_metadata(
    store: Store, warehouse: Warehouse
) -> None:
    for text in ("yesterday", "2026-02-03T04:05:06", ""):
        store.client.put_object(
            Bucket=store.bucket, Key=KEY, Body=array([post(len(text))]), Metadata={"as-of": text}
        )
        assert load_day(store, warehouse).outcome == "loaded"
    naive = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert ledger(warehouse, "as_of") == [(None,), (naive,), (None,)]


def test_an_absent_object_changes_nothing(store: Store, warehouse: Warehouse) -> None:
    assert load_day(store, warehouse) == LoadResult("posts", DAY, KEY, "absent")
    assert ledger(warehouse) == []


@pytest.mark.parametrize("writer", [put, put_foreign])
def test_the_same_content_again_only_refreshes_the_listing(
    store: Store, warehouse: Warehouse, writer: Any
) -> None:
    writer(store, array([post(1)]))
    load_day(store, warehouse)
    first = ledger(warehouse, "version_id, xmin::text")
    writer(store, array([post(1)]))

    result = load_day(store, warehouse)

    assert (result.outcome, result.load_id, result.loaded) == ("unchanged", 1, 1)
    assert ledger(warehouse) == [("loaded", True, 1)]
    head = store.head(KEY)
    assert head is not None
    assert ledger(warehouse, "version_id") == [(head.version_id,)]
    assert ledger(warehouse, "version_id, xmin::text") != first


@pytest.mark.parametrize("writer", [put, put_foreign])
def test_other_content_replaces_its_day_and_back_again(
    store: Store, warehouse: Warehouse, writer: Any
) -> None:
    for body in ([post(1), post(2)], [post(3)], [post(1), post(2)]):
        writer(store, array(body))
        assert load_day(store, warehouse).outcome == "loaded"
        assert payloads(warehouse) == body
    assert ledger(warehouse) == [("loaded", False, 2), ("loaded", False, 1), ("loaded", True, 2)]


def test_loading_again_on_request_replaces_equal_content(
    store: Store, warehouse: Warehouse
) -> None:
    put(store, array([post(1)]))
    load_day(store, warehouse)
    result = load_day(store, warehouse, again=True)
    assert (result.outcome, result.load_id) == ("loaded", 2)
    assert ledger(warehouse) == [("loaded", False, 1), ("loaded", True, 1)]
    assert payloads(warehouse) == [post(1)]


def raw(text: str) -> bytes:
    """Return a post whose field `x` has the given JSON text."""
    return b'{"userId": 1, "id": 50, "title": "t", "body": "b", "x": %b}' % text.encode()


REJECTED = {
    "nul": (raw(r'"a\u0000b"'), None, "\\u0000"),
    "nul in a name": (raw(r'{"\u0000": 1}'), None, "\\u0000"),
    "nul in a declared field": (
        json.dumps(post(50, title="a\0b")).encode(),
        None,
        "\\u0000",
    ),
    "lone surrogate": (raw(r'"\ud800"'), None, "not JSON"),
    "lone low surrogate": (raw(r'"\udc00"'), None, "not JSON"),
    "nan": (raw("NaN"), None, "not JSON"),
    "infinity": (raw("-Infinity"), None, "not JSON"),
    "beyond double": (raw("1e400"), None, "number out of range: 1e400"),
    "beyond double, long": (raw("9" * 400 + ".5"), None, "number out of range"),
    "too fine for numeric": (raw("1e-20000"), None, "number out of range: 1e-20000"),
    "too many decimals": (raw("0." + "1" * 17_000), None, "number out of range"),
    "too many digits": (raw("9" * 131_073), None, "number out of range"),
    "odd zero": (raw("0e9999999999"), None, "number out of range"),
    "deep": (raw("[" * 200 + "]" * 200), None, "nested deeper than 200"),
    "very deep": (raw("[" * 10**6 + "]" * 10**6), None, "nested too deep"),
    "missing": (b'{"userId": 1, "id": 50, "title": "t"}', "body", "missing required field"),
    "null": (json.dumps(post(50, title=None)).encode(), "title", "Expected `str`, got `null`"),
    "mistyped": (json.dumps(post(50, userId="1")).encode(), "userId", "Expected `int`, got `str`"),
    "a fraction": (json.dumps(post(50, userId=1.0)).encode(), "userId", "got `float`"),
    "large key": (json.dumps(post(2**63)).encode(), "id", "Expected `int` <= "),
    "small key": (json.dumps(post(-(2**63) - 1)).encode(), "id", "Expected `int` >= -"),
    "out of its declared range": (
        b'{"userId": ' + b"8" * 5000 + b', "id": 50, "title": "t", "body": "b"}',
        "userId",
        "Integer value out of range",
    ),
    "just out of its declared range": (
        b'{"userId": 9223372036854775808, "id": 50, "title": "t", "body": "b"}',
        "userId",
        "Expected `int` <= 9223372036854775807",
    ),
    "huge key": (
        b'{"userId":1,"id":' + b"9" * 5000 + b',"title":"","body":""}',
        "id",
        "out of range",
    ),
    "no object": (b"[1]", None, "Expected `object`, got `array`"),
    "a number": (b"1", None, "Expected `object`, got `int`"),
    "not quoted": (b"{'id': 1}", None, "not JSON"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_a_bad_record_is_rejected_and_the_others_load(
    name: str, store: Store, warehouse: Warehouse
) -> None:
    bad, field, reason = REJECTED[name]
    good = [post(n) for n in range(100)]
    body = array([*good[:60], bad, *good[60:]])
    put(store, body)

    result = load_day(store, warehouse)

    assert (result.outcome, result.received, result.loaded, result.rejected) == (
        "loaded",
        101,
        100,
        1,
    )
    assert payloads(warehouse) == good
    ((position, found_field, found_reason),) = rejects(warehouse)
    assert (position, found_field) == (60, field)
    assert reason in found_reason
    (kept,) = query(
        warehouse,
        "select byte_start, byte_end, record, record_bytes, record_sha256 from ops.rejects",
    )
    assert body[kept[0] : kept[1]] == bad
    assert kept[2:] == (bad[: 64 * 1024], len(bad), sha256(bad).hexdigest())


LOADED = {
    "beyond 64 bits": raw(str(2**64)),
    "5,000 digits": raw("9" * 5000),
    "many digits": raw("-" + "9" * 131_072),
    "200 deep": raw("[" * 199 + "]" * 199),
    "one name twice": b'{"userId": "x", "id": 1, "title": "a", "body": "b", "id": 50, "userId": 7}',
    "emoji": json.dumps(
        post(50, title="\U0001f600 \u05e9\u05dc\u05d5\u05dd\u200f \u00e9"), ensure_ascii=False
    ).encode(),
    "escaped emoji": json.dumps(post(50, title="\U0001f600")).encode(),
    "quotes": json.dumps(post(50, title='"\\"}, {"id": 1}', body="\n\r\t\b\f/\x7f")).encode(),
    "escaped backslash before u0000": raw(r'"\\u0000"'),
    "small and large numbers": raw("[1e308, 1e-300, -0.0, 1.50, 0e0, 123456789012345678901.5]"),
    "one record of 1 MB": raw('"' + "é" * 500_000 + '"'),
    "an empty name": raw('{"": {"": []}}'),
}


@pytest.mark.parametrize("name", LOADED)
def test_an_unusual_record_is_loaded_as_it_is(
    name: str, store: Store, warehouse: Warehouse
) -> None:
    unusual = LOADED[name]
    put(store, array([post(1), unusual, post(60)]))

    result = load_day(store, warehouse)

    assert (result.outcome, result.loaded, rejects(warehouse)) == ("loaded", 3, [])
    statement = sql.SQL("select id, {} = %s::jsonb from raw.posts where position = 1")
    whole = statement.format(whole_record(warehouse))
    assert query(warehouse, whole, unusual.decode()) == [(50, True)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (array([post(1)])[:-10] + b"\xff" + array([post(1)])[-10:], "is not UTF-8"),
        (array([raw('"1"').replace(b'"1"', b'"\xc3("')]), "byte 59 is not UTF-8"),
        (array([post(1)])[:-3], "the input ends at byte"),
        (array([post(1)])[:-3] + b",]", "expected a record after the comma"),
        (array([post(1)]) + b"x", "expected nothing after the array, got b'x' at byte"),
        (b'{"posts": []}', "expected a JSON array, which begins with '[', got b'{' at byte 0"),
        (b"<html>", "got b'<' at byte 0"),
        (b"", "got nothing at byte 0"),
        (b"[]", "the list is empty, but posts allows no empty day"),
        (
            array([post(1), {}, {}]),
            "2 of 3 records rejected, more than 50% or 10000; the first: record 1: Object missing",
        ),
    ],
)
def test_a_broken_object_is_parked_and_its_day_stays(
    body: bytes, reason: str, store: Store, warehouse: Warehouse
) -> None:
    put(store, array([post(7)]))
    load_day(store, warehouse)
    put(store, body)

    result = load_day(store, warehouse)

    assert (result.outcome, result.loaded) == ("parked", 0)
    assert result.reason is not None
    assert reason in result.reason
    assert payloads(warehouse) == [post(7)]
    assert ledger(warehouse) == [("loaded", True, 1), ("parked", False, 0)]
    assert load_day(store, warehouse).load_id == result.load_id
    assert len(ledger(warehouse)) == 2
    put(store, array([post(8)]))
    assert load_day(store, warehouse).outcome == "loaded"
    assert payloads(warehouse) == [post(8)]


def test_content_that_does_not_fit_its_sha256_is_parked(store: Store, warehouse: Warehouse) -> None:
    put(store, array([post(7)]))
    load_day(store, warehouse)
    for promised in ("ab" * 32, sha256(array([post(7)])).hexdigest()):
        put(store, array([post(8)]), digest=promised)
        result = load_day(store, warehouse)
        assert result.outcome == "parked"
        assert f"promises the sha256 {promised}" in str(result.reason)
    assert payloads(warehouse) == [post(7)]


@pytest.mark.parametrize(
    "write", [bytes.hex, lambda d: d.hex().upper(), lambda d: b64encode(d).decode()]
)
def test_a_sha256_may_be_written_in_capitals_or_base64(
    store: Store, warehouse: Warehouse, write: Callable[[bytes], str]
) -> None:
    body = array([post(7)])
    put(store, body, digest=write(sha256(body).digest()))
    assert load_day(store, warehouse).outcome == "loaded"
    other = sha256(b"other").digest()
    put(store, array([post(8)]), digest=write(other))
    result = load_day(store, warehouse)
    assert result.outcome == "parked"
    assert f"promises the sha256 {other.hex()}" in str(result.reason)


def test_a_false_sha256_is_parked_also_where_the_content_is_that_of_the_current_load(
    store: Store, warehouse: Warehouse
) -> None:
    """Content that equals the current load does not make a false promise true."""
    body = array([post(7)])
    put(store, body)
    assert load_day(store, warehouse).outcome == "loaded"
    put(store, body, digest="ab" * 32)
    result = load_day(store, warehouse)
    assert (result.outcome, result.reason is not None) == ("parked", True)
    assert ledger(warehouse) == [("loaded", True, 1), ("parked", False, 0)]
    put(store, body)
    assert load_day(store, warehouse).outcome == "unchanged"


EQUAL, OTHER = "the same record", "another record with its key"


@pytest.mark.parametrize(
    ("records", "loaded", "rejected"),
    [
        ([post(1), post(1), post(2), post(3)], [0, 2, 3], {1: EQUAL}),
        ([post(3), post(2), post(1), post(3)], [0, 1, 2], {3: EQUAL}),
        (
            [post(1), b'{"id":1, "userId":1.0e0, "body":"b\\nb", "title":"t1"}', post(2), post(0)],
            [0, 2, 3],
            {1: "Expected `int`, got `float`"},
        ),
        (
            [post(1), b'{ "id":1, "userId":1, "body":"b\\u000ab", "title":"t1"}', post(2)],
            [0, 2],
            {1: EQUAL},
        ),
        ([post(1), post(2), post(1, title="x"), post(3), post(4)], [1, 3, 4], {0: OTHER, 2: OTHER}),
        (
            [post(1), post(1), post(1, title="x"), *map(post, range(2, 6))],
            [3, 4, 5, 6],
            {0: OTHER, 1: OTHER, 2: OTHER},
        ),
        ([post(9), post(8), post(7)], [0, 1, 2], {}),
    ],
)
def test_one_key_is_loaded_at_most_once(
    records: list[Any],
    loaded: list[int],
    rejected: dict[int, str],
    store: Store,
    warehouse: Warehouse,
) -> None:
    put(store, array(records))
    result = load(POSTS, DAY, store, warehouse.loader, RunSettings(max_reject_share=0.6))
    assert (result.received, result.loaded, result.rejected) == (
        len(records),
        len(loaded),
        len(rejected),
    )
    assert payloads(warehouse) == [records[at] for at in loaded]
    found = {position: reason for position, _, reason in rejects(warehouse)}
    assert found.keys() == rejected.keys()
    assert all(reason in found[at] for at, reason in rejected.items())


def test_a_key_that_comes_again_much_later_is_found(store: Store, warehouse: Warehouse) -> None:
    first, second = range(10_000), range(5_000, 15_000)  # each sorted, and longer than a batch
    put(store, array(post(n, body="b" * 50) for n in (*first, *second)))
    result = load_day(store, warehouse)
    assert (result.loaded, result.rejected) == (15_000, 5_000)
    assert [position for position, *_ in rejects(warehouse)] == list(range(10_000, 15_000))


def test_duplicates_are_found_in_one_pass_whatever_the_statistics_say(
    store: Store, warehouse: Warehouse
) -> None:
    """A row-by-row comparison takes billions of steps and minutes. One pass takes a second."""
    put(store, array([post(1)]))
    load_day(store, warehouse)
    with psycopg.connect(warehouse.loader) as connection:
        connection.execute("analyze raw.posts_rows")
    put(store, array(post(n % 50_000) for n in range(100_000)))

    hasty = make_conninfo(warehouse.loader, options="-c statement_timeout=30s")
    lenient = RunSettings(max_reject_share=0.5, max_reject_count=50_000)
    result = load(POSTS, DAY, store, hasty, lenient)

    assert (result.outcome, result.loaded, result.rejected) == ("loaded", 50_000, 50_000)


def test_what_a_day_does_not_know_is_known_by_its_key(store: Store, warehouse: Warehouse) -> None:
    """A broken record and two versions of one keep their key, what is no record has none."""
    put(store, array([post(1), post(2), post(2, title="x"), post(3, body=None), b"NaN"]))
    result = load_day(store, warehouse, settings=RunSettings(max_reject_share=1))
    assert (result.loaded, result.rejected) == (1, 4)
    kept = query(warehouse, "select position, record_key from ops.rejects order by position")
    assert kept == [(1, {"id": 2}), (2, {"id": 2}), (3, {"id": 3}), (4, {})]


def test_too_many_duplicates_park_the_object(store: Store, warehouse: Warehouse) -> None:
    put(store, array([post(1)] * 10))
    result = load_day(store, warehouse)
    assert result.outcome == "parked"
    assert "9 records have the key of another one. 9 of 10 records rejected" in str(result.reason)
    kept = query(warehouse, "select position, reason from ops.rejects order by position")
    assert [position for position, _ in kept] == list(range(1, 10))
    assert {reason for _, reason in kept} == {"duplicate: the same record is in this object"}


def test_of_very_many_duplicates_some_are_kept_as_examples(
    store: Store, warehouse: Warehouse
) -> None:
    put(store, array([post(1, title=str(n)) for n in range(500)]))
    result = load_day(store, warehouse)
    assert result.outcome == "parked"
    assert "500 records have the key of another one" in str(result.reason)
    kept = query(warehouse, "select reason, count(*) from ops.rejects group by 1")
    assert kept == [("duplicate: another record with its key is in this object", 100)]


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + array([post(1), post(2)]),
        array([post(1), post(2)]).replace(b"\n", b"\r\n"),
        json.dumps([post(1), post(2)], separators=(",", ":")).encode(),
        json.dumps([post(1), post(2)], indent=4).encode() + b"\n\n",
        b"\t\r\n [ " + array([post(1)])[1:-2] + b" , " + array([post(2)])[1:-2] + b"\r]\r",
    ],
    ids=["BOM", "CRLF", "minified", "pretty", "odd spaces"],
)
def test_any_legal_formatting_is_loaded(body: bytes, store: Store, warehouse: Warehouse) -> None:
    put(store, body)
    load_day(store, warehouse)
    assert payloads(warehouse) == [post(1), post(2)]


def test_a_source_may_allow_empty_days(store: Store, warehouse: Warehouse) -> None:
    put(store, array([post(1)]))
    load_day(store, warehouse)
    put(store, b"[]")
    result = load_day(store, warehouse, source=replace(POSTS, allows_empty=True))
    assert (result.outcome, result.received) == ("loaded", 0)
    assert payloads(warehouse) == []
    assert ledger(warehouse) == [("loaded", False, 1), ("loaded", True, 0)]


def test_new_fields_are_kept_and_reported(store: Store, warehouse: Warehouse) -> None:
    records = [post(n) for n in range(3_000)]
    records[7]["tags"] = {"a": [1]}
    records[2_500].update({"tags": [], 'a\\"b': 1.5, "\n": None})
    put(store, array(records))
    load_day(store, warehouse)
    assert payloads(warehouse) == records
    assert ledger(warehouse, "new_fields") == [(["tags", 'a\\"b', "\n"],)]


def test_a_frozen_contract_refuses_new_fields(store: Store, warehouse: Warehouse) -> None:
    records = [post(n) for n in range(100)]
    records[77]["tags"] = []
    put(store, array(records))
    result = load_day(store, warehouse, source=replace(POSTS, on_new_field="freeze"))
    assert result.outcome == "parked"
    assert result.reason == (
        "record 77 has the field 'tags', which the frozen contract of posts does not declare. "
        "Add it to the contract"
    )


def test_any_number_of_new_fields_loads_and_their_numbers_are_watched(
    store: Store, warehouse: Warehouse
) -> None:
    records: list[Any] = [post(n, **{f"field {n}": n}) for n in range(300)]
    put(store, array([*records, raw('{"y": 1e400}'), post(1_000)]))
    result = load_day(store, warehouse)
    assert (result.loaded, result.rejected) == (301, 1)
    assert payloads(warehouse) == [*records, post(1_000)]
    ((names,),) = ledger(warehouse, "new_fields")
    assert names == [f"field {n}" for n in range(100)]


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05])
def test_the_threshold_of_rejects_is_a_share(
    share: float, store: Store, warehouse: Warehouse
) -> None:
    put(store, array([*(post(n) for n in range(98)), {}, {}]))
    result = load_day(store, warehouse, settings=RunSettings(max_reject_share=share))
    assert result.outcome == ("loaded" if share >= 0.02 else "parked")


def test_the_threshold_of_rejects_is_a_count(store: Store, warehouse: Warehouse) -> None:
    put(store, array([*(post(n) for n in range(2_000)), *[{"x": "y" * 200}] * 5_000]))
    result = load_day(store, warehouse, settings=RunSettings(max_reject_count=3))
    assert result.outcome == "parked"
    assert len(rejects(warehouse)) < 5_000  # the load stopped before the end


def test_a_record_over_the_limit_is_rejected(store: Store, warehouse: Warehouse) -> None:
    large = raw('"' + "x" * 3_000_000 + '"')
    put(store, array([post(1), large, post(2)]))
    load_day(store, warehouse, settings=RunSettings(max_record_bytes=1_000_000, max_reject_share=1))
    assert payloads(warehouse) == [post(1), post(2)]
    assert rejects(warehouse) == [(1, None, "larger than 1000000 bytes")]
    assert query(warehouse, "select length(record), record_bytes from ops.rejects") == [
        (65_536, len(large))
    ]


def _put_unreadable(store: Store, day: date) -> str:
    """Put an object whose key only its producer has (SSE-C)."""
    key = raw_key("posts", day)
    store.client.put_object(
        Bucket=store.bucket,
        Key=key,
        Body=array([post(1)]),
        SSECustomerAlgorithm="AES256",
        SSECustomerKey="k" * 32,
    )
    return key


def test_a_statement_in_a_record_is_a_text(store: Store, warehouse: Warehouse) -> None:
    statement = "'); drop table raw.posts_rows cascade; --"
    valid = post(1, title=statement, body=f'{statement} $$ \\. %s {{}} "', **{statement: statement})
    put(store, array([valid, post(2, title=5, body=statement)]))
    result = load_day(store, warehouse, run_id=statement)
    assert (result.loaded, result.rejected) == (1, 1)
    assert payloads(warehouse) == [valid]
    assert query(warehouse, "select run_id, new_fields from ops.loads") == [
        (statement, [statement])
    ]


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({"max_object_bytes": 1000}, "bytes, more than 1000 (max_object_bytes)"),
        ({"load_timeout": 1e-9}, "not loaded within 1e-09 s (load_timeout)"),
    ],
)
def test_an_object_beyond_its_budget_is_parked_and_its_day_stays(
    store: Store, warehouse: Warehouse, limit: dict[str, float], reason: str
) -> None:
    put(store, array([post(1)]))
    load_day(store, warehouse)
    put(store, array(post(n) for n in range(100)))
    strict = SETTINGS.model_copy(update=limit)
    for _ in range(2):
        result = load_day(store, warehouse, settings=strict)
        assert (result.outcome, result.loaded) == ("parked", 0)
        assert reason in str(result.reason)
    assert [row["id"] for row in payloads(warehouse)] == [1]
    assert ledger(warehouse) == [("loaded", True, 1), ("parked", False, 0)]
    assert survey_landing(store, warehouse.loader, FIRST_DAY).waiting == []

    assert load_day(store, warehouse, again=True).loaded == 100


def test_an_object_that_cannot_be_read_is_parked_and_stops_no_other_one(
    store: Store, warehouse: Warehouse
) -> None:
    days = [DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)]
    key = _put_unreadable(store, days[0])
    for day in days[1:]:
        put(store, array([post(1)]), key=raw_key("posts", day))
    survey = survey_landing(store, warehouse.loader, FIRST_DAY)
    results = list(load_work(Work(survey.waiting), store, warehouse.loader, SETTINGS))
    assert [result.outcome for result in results] == ["loaded", "loaded", "parked"]
    assert results[-1].key == key
    assert str(results[-1].reason).startswith("cannot be read: get s3://")
    assert survey_landing(store, warehouse.loader, FIRST_DAY).waiting == []  # known, as parked

    put(store, array([post(2)]), key=key)
    waiting = survey_landing(store, warehouse.loader, FIRST_DAY).waiting
    assert waiting == [("posts", days[0])]
    [result] = load_work(Work(waiting), store, warehouse.loader, SETTINGS)
    assert result.outcome == "loaded"


def test_an_object_that_was_replaced_since_it_was_refused_is_loaded(
    store: Store, warehouse: Warehouse
) -> None:
    days = [DAY, DAY + timedelta(days=1)]
    key = _put_unreadable(store, days[0])
    put(store, array([post(1)]), key=raw_key("posts", days[1]))
    work = Work([("posts", day) for day in days])
    results = load_work(work, store, warehouse.loader, SETTINGS)
    assert next(results).day == days[1]  # the other one waits until the end
    put(store, array([post(2)]), key=key)
    [last] = results
    assert (last.key, last.outcome) == (key, "loaded")


class _Replaced(Store):
    """A bucket in which an object is replaced while its refusal is recorded."""

    finds = 0

    def find(self, key: str) -> ObjectInfo | None:
        self.finds += 1
        if self.finds == 2:
            put(self, array([post(2)]), key=key)
        return super().find(key)


def test_an_object_that_is_replaced_while_it_is_parked_stays_pending(
    store: Store, warehouse: Warehouse
) -> None:
    days = [DAY, DAY + timedelta(days=1)]
    _put_unreadable(store, days[0])
    put(store, array([post(1)]), key=raw_key("posts", days[1]))
    replaced = _Replaced(store.client, store.bucket)
    work = Work([("posts", day) for day in days])
    with pytest.raises(UnavailableError, match="has changed since the bucket refused it"):
        list(load_work(work, replaced, warehouse.loader, SETTINGS))
    assert ("posts", days[0]) in survey_landing(store, warehouse.loader, FIRST_DAY).waiting


def test_a_bucket_that_gives_out_nothing_is_no_fault_of_its_objects(
    store: Store, warehouse: Warehouse
) -> None:
    days = [DAY + timedelta(days=n) for n in (10, 11)]
    for day in days:
        _put_unreadable(store, day)
    work = Work([("posts", day) for day in days])
    with pytest.raises(UnavailableError, match="get s3://"):
        list(load_work(work, store, warehouse.loader, SETTINGS))
    assert ledger(warehouse) == []


@contextmanager
def _losing_first_row(warehouse: Warehouse, table: str) -> Iterator[None]:
    """A trigger that somebody left on a table: a row at position 0 is not stored."""
    with psycopg.connect(warehouse.admin, autocommit=True) as connection:
        connection.execute(
            "create function public.lose() returns trigger language plpgsql as"
            " 'begin return null; end'"
        )
        connection.execute(
            f"create trigger lose before insert on {table} for each row"
            " when (new.position = 0) execute function public.lose()"
        )
        yield
        connection.execute("drop function public.lose cascade")


@pytest.mark.parametrize(
    ("table", "broken"),
    [
        ("raw.posts_rows", "of 1 copied rows, 0 were stored"),
        ("ops.rejects", "of 1 rejects, 0 were stored"),
    ],
)
def test_a_row_that_the_server_does_not_store_stops_the_load(
    store: Store, warehouse: Warehouse, table: str, broken: str
) -> None:
    put(store, array([post(1), post(2)]))
    load_day(store, warehouse)
    records = [post(3), {"id": "x"}] if table == "raw.posts_rows" else [{"id": "x"}, post(3)]
    put(store, array(records))
    with (
        _losing_first_row(warehouse, table),
        pytest.raises(BrokenInvariantError, match=f"{broken}. Nothing was changed"),
    ):
        load_day(store, warehouse)
    assert payloads(warehouse) == [post(1), post(2)]
    load_day(store, warehouse)
    assert payloads(warehouse) == [post(3)]
