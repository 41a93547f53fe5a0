"""Rejected records are kept, shown, and reloaded once they meet the contract."""

import json
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest

from local.ministack import MiniStack
from local.postgres import PostgresServer
from scripts.errors import InvalidInputError
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.rejects import find_rejects, read_reject
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.documents import ROOT, run_readme
from tests.loading import (
    DAY,
    KEY,
    SETTINGS,
    array,
    bucket_of,
    database_of,
    empty,
    environment,
    ledger,
    load_day,
    payloads,
    post,
    put,
    rejects,
    run,
)

pytestmark = pytest.mark.integration


class Title(msgspec.Struct, rename="camel"):
    """A contract that also accepts a null title."""

    user_id: int
    id: int
    title: str | None
    body: str


@pytest.fixture(scope="module")
def _database(postgres: PostgresServer, _migrated_template: str) -> Iterator[Warehouse]:
    with database_of(postgres, _migrated_template, "test_rejects") as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(_database: Warehouse) -> Warehouse:
    empty(_database)
    return _database


@pytest.fixture(scope="module")
def _bucket(ministack: MiniStack) -> Store:
    return bucket_of(ministack, "test-rejects")


@pytest.fixture
def store(_bucket: Store) -> Store:
    _bucket.client.delete_object(Bucket=_bucket.bucket, Key=KEY)
    return _bucket


def test_a_replay_loads_what_meets_the_contract_now(store: Store, warehouse: Warehouse) -> None:
    put(store, array([post(1), post(2, title=None), post(3, body=4)]))
    settings = SETTINGS.model_copy(update={"max_reject_share": 1})
    load(POSTS, DAY, store, warehouse.loader, settings)
    assert [row[0] for row in rejects(warehouse)] == [1, 2]

    changed = replace(POSTS, contract=Title)
    result = load(changed, DAY, store, warehouse.loader, settings, again=True)

    assert (result.outcome, result.loaded, result.rejected) == ("loaded", 2, 1)
    second = {name: value for name, value in post(2).items() if name != "title"}
    assert payloads(warehouse) == [post(1), second]
    assert ledger(warehouse) == [("loaded", False, 1), ("loaded", True, 2)]
    found = find_rejects(warehouse.loader, "posts", DAY)
    assert [(row["load_id"], row["position"], row["load"]) for row in found] == [
        (2, 2, "current"),
        (1, 1, "replaced"),
        (1, 2, "replaced"),
    ]
    assert find_rejects(warehouse.loader, "comments") == []


def test_the_rejects_of_a_parked_object_can_be_seen(store: Store, warehouse: Warehouse) -> None:
    put(store, array([post(1), {}, {}]))
    load_day(store, warehouse)
    assert [(row["load"], row["position"]) for row in find_rejects(warehouse.loader)] == [
        ("parked", 1),
        ("parked", 2),
    ]


def test_a_record_that_is_no_text_is_shown_with_escapes(store: Store, warehouse: Warehouse) -> None:
    large = b'{"a": "' + "é".encode() * 40_000 + b'", "b": NaN}'
    put(store, array([post(1), large]))
    load_day(store, warehouse)
    shown = read_reject(warehouse.loader, 1, 1)
    assert shown["record"].startswith('{"a": "éé')
    assert shown["record"].endswith("é\\xc3")  # the 64 KB limit cuts a character
    assert shown["record_bytes"] == len(large)
    with pytest.raises(InvalidInputError, match="load 1 keeps no reject at position 0"):
        read_reject(warehouse.loader, 1, 0)


def test_the_command_line_lists_shows_and_replays(store: Store, warehouse: Warehouse) -> None:
    put(store, array([post(1), post(2, title=None)]))
    load_day(store, warehouse)

    env = environment(store, warehouse.loader)
    listed = json.loads(run_readme("python -m scripts.rejects list", ROOT, env).stdout)
    of_users = run(store, warehouse, "rejects", "list", "--source", "users")
    shown = json.loads(run(store, warehouse, "rejects", "show", "1", "1").stdout)
    replayed = run_readme("python -m scripts.rejects replay posts --day 2026-01-31", ROOT, env)
    refused = run(store, warehouse, "rejects", "show", "7", "7")

    assert [(row["position"], row["field"]) for row in listed] == [(1, "title")]
    assert json.loads(of_users.stdout) == []
    assert json.loads(shown["record"]) == post(2, title=None)
    assert (replayed.returncode, refused.returncode) == (0, 2)
    assert "loaded, 1 of 2 records, 1 rejected" in replayed.stdout
    assert refused.stderr == "error: load 7 keeps no reject at position 7\n"
