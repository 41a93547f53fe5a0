"""`python -m scripts.erase --subject users:7`: a person leaves every source and version."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scripts.erase import from_warehouse
from scripts.erase import subject as subject_module
from scripts.erase.from_warehouse import forget_statistics
from scripts.erase.subject import find_subject
from scripts.errors import ConfigurationError
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.load import load
from sources import SOURCES
from sources.declaration.paths import Path as Place
from sources.jsonplaceholder import USERS
from tests.conftest import Warehouse
from tests.loading import DAY, SETTINGS, array, post, put, query, run
from tests.warehouses import dbt_place, traces

pytestmark = pytest.mark.integration

MARK = "forget-this-person"
NEXT = DAY + timedelta(days=1)


def _user(number: int, name: str) -> dict[str, Any]:
    place = {"street": "s", "suite": "s", "city": name, "zipcode": "z"}
    return {
        "id": number,
        "name": name,
        "username": name,
        "email": f"{name}@example.com",
        "address": {**place, "geo": {"lat": "1", "lng": "2"}},
        "phone": "1",
        "website": "w",
        "company": {"name": "c", "catchPhrase": "c", "bs": "b"},
    }


def _comment(number: int, about: int, text: str) -> dict[str, Any]:
    return {"id": number, "postId": about, "name": "n", "email": "e@example.com", "body": text}


def _land(store: Store, warehouse: Warehouse, name: str, day: date, records: list[Any]) -> None:
    put(store, array(records), key=raw_key(name, day))
    load(SOURCES[name], day, store, warehouse.loader, SETTINGS)


@pytest.fixture
def landed(store: Store, warehouse: Warehouse) -> None:
    """User 7 wrote posts 70 to 74. Some are only in a replaced version, rejected, or broken."""
    land = (store, warehouse)
    _land(*land, "users", DAY, [_user(7, MARK), _user(8, "other")])
    _land(*land, "posts", DAY, [post(70, userId=7, title=MARK), post(80, userId=8, title="kept")])
    _land(
        *land,
        "posts",
        DAY,
        [
            post(71, userId=7, body=MARK),
            post(80, userId=8, title="kept"),
            post(81, userId=8, title="kept too"),
            post(72, userId=7, title=MARK, body=5),
            f'{{"id": 73, "userId": 7, "title": "{MARK}", }}'.encode(),
        ],
    )
    _land(*land, "posts", NEXT, [post(74, userId=7, title=MARK), post(80, userId=8)])
    about = [_comment(n, about, MARK) for n, about in enumerate((70, 71, 72, 74), 1)]
    _land(*land, "comments", NEXT, [*about, _comment(9, 80, "kept")])


@pytest.mark.usefixtures("landed")
def test_a_person_leaves_every_source_and_the_others_stay(
    store: Store, warehouse: Warehouse, tmp_path: Path
) -> None:
    place = dbt_place(warehouse, tmp_path)
    assert run(store, warehouse, "dbt", **place).returncode == 0
    for dsn in (warehouse.loader, warehouse.transformer):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("analyze")
    assert len(traces(warehouse, store, MARK)) > 10
    unfinished: Any = {"Bucket": store.bucket, "Key": raw_key("comments", NEXT)}
    upload = store.client.create_multipart_upload(**unfinished)["UploadId"]
    part: Any = {"PartNumber": 1, "UploadId": upload, "Body": MARK.encode()}
    store.client.upload_part(**unfinished, **part)

    erased = run(store, warehouse, "erase", "--subject", "users:7", **place)

    assert (erased.returncode, erased.stderr) == (0, "")
    assert erased.stdout.splitlines() == [
        "erased from comments: 4 records, 1 objects, 1 versions, 1 uploads, 4 rows, 0 rejects",
        "erased from posts: 4 records, 2 objects, 3 versions, 0 uploads, 3 rows, 2 rejects",
        "erased from users: 1 records, 1 objects, 1 versions, 0 uploads, 1 rows, 0 rejects",
    ]
    assert traces(warehouse, store, MARK) == []
    uploads = store.client.list_multipart_uploads(Bucket=store.bucket)
    assert uploads.get("Uploads", []) == []
    assert query(warehouse, "select id from raw.posts order by day, id") == [(80,), (81,), (80,)]
    assert query(warehouse, "select id from raw.comments") == [(9,)]
    assert query(warehouse, "select id from raw.users") == [(8,)]
    with psycopg.connect(warehouse.reader) as reader:
        kept = reader.execute("select post_id, author_id from marts.fct_posts order by 1")
        assert kept.fetchall() == [(80, 8), (81, 8)]

    again = run(store, warehouse, "erase", "--subject", "users:7", **place)
    assert again.returncode == 0
    assert "erased from users: 0 records" in again.stdout


@pytest.mark.usefixtures("landed")
@pytest.mark.parametrize("place", ["erase.after_put", "erase.after_objects", "erase.after_rows"])
def test_a_killed_erasure_finds_the_rest_again(
    store: Store, warehouse: Warehouse, tmp_path: Path, place: str
) -> None:
    env = dbt_place(warehouse, tmp_path)
    command = ("erase", "--subject", "users:7")
    killed = run(store, warehouse, *command, **env, PIPELINE_KILL_AT=place)
    assert killed.returncode == -9
    assert traces(warehouse, store, MARK) != []
    assert run(store, warehouse, *command, **env).returncode == 0
    assert traces(warehouse, store, MARK) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--subject", "users"], "expected SOURCE:KEY such as users:7"),
        (["--subject", "nobody:7"], "nobody"),
        (["--subject", "users:7", "--source", "users"], "give --subject SOURCE:KEY alone"),
        (["--subject", "users:7", "--day", "2026-01-31"], "give --subject SOURCE:KEY alone"),
        ([], "give --subject SOURCE:KEY alone"),
    ],
)
def test_a_person_is_named_by_source_and_key(
    store: Store, warehouse: Warehouse, arguments: list[str], says: str
) -> None:
    refused = run(store, warehouse, "erase", *arguments)
    assert refused.returncode == 2
    assert says in refused.stderr


def test_a_reference_to_no_source_is_named(
    store: Store, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = {name: source for name, source in SOURCES.items() if name != "users"}
    monkeypatch.setattr(subject_module, "SOURCES", left)
    with pytest.raises(ConfigurationError, match="source posts: 'userId' refers to users"):
        find_subject(USERS, "7", store, warehouse.loader, 1000, lambda _text: None)


def test_what_refers_to_others_comes_first_in_whatever_order_it_is_declared(
    store: Store, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments refer to users too, so they are found before the posts whose keys they need."""
    references: dict[Place, str] = {"postId": "posts", "userId": "users"}
    declared = {"comments": replace(SOURCES["comments"], references=references)}
    declared |= {name: SOURCES[name] for name in ("posts", "users")}
    monkeypatch.setattr(subject_module, "SOURCES", declared)
    _land(store, warehouse, "posts", DAY, [post(70, userId=7)])
    _land(store, warehouse, "comments", DAY, [_comment(1, 70, "a"), _comment(2, 80, "b")])
    found = find_subject(USERS, "7", store, warehouse.loader, 1000, lambda _text: None)
    assert [wanted.source.name for wanted in found] == ["comments", "posts", "users"]
    assert found[0].keys == {("1",)}


def test_before_postgresql_18_the_statistics_that_stay_are_named(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(warehouse.loader, autocommit=True) as connection:
        connection.execute("insert into raw.posts_rows values (1, 0, 3, 7, 't', 'b')")
        connection.execute("analyze raw.posts_rows")
        connection.execute("delete from raw.posts_rows")
    monkeypatch.setattr(from_warehouse, "_CLEARS_SINCE", 99_00_00)
    assert "raw.posts_rows.id" in forget_statistics(warehouse.loader)
    monkeypatch.undo()
    assert forget_statistics(warehouse.loader) == []
