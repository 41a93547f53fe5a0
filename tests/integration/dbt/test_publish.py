"""Publish: atomic, only the difference, and never an incomplete build."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local.postgres import PostgresServer
from tests.conftest import Warehouse
from tests.integration.dbt.support import PROJECT, Baseline, Dbt, Loader, days, failures, post

pytestmark = pytest.mark.integration

FIRST, SECOND, THIRD = days(3)
_UPSTREAM = [
    "pinned_loads",
    "carried_rows",
    "stg_comments",
    "stg_users",
    "stg_posts",
    "stg_earthquakes",
    "int_post_changes",
    "int_author_days",
    "int_earthquake_days",
    "published_days",
]
MODELS = [*_UPSTREAM, "fct_post_changes", "fct_posts", "dim_authors", "fct_daily_loads"]
MODELS.append("fct_earthquake_days")
POSTS = "select post_id, title from marts.fct_posts order by 1"


@pytest.fixture(scope="module")
def baseline(
    postgres: PostgresServer, _migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Baseline, Dbt]:
    """The project, built once with two posts and not yet published."""
    baseline = Baseline(postgres, _migrated_template, "dbt_publish")
    dbt = Dbt(baseline.warehouse, tmp_path_factory.mktemp("dbt"))
    Loader(baseline.warehouse).load(FIRST, [post(1, "one"), post(2, "two", author=7)])
    dbt.build()
    baseline.keep()
    return baseline, dbt


@pytest.fixture
def dbt(baseline: tuple[Baseline, Dbt]) -> Dbt:
    kept, dbt = baseline
    kept.restore()
    return dbt


@pytest.fixture
def loader(dbt: Dbt) -> Loader:
    return Loader(dbt.warehouse)


@pytest.fixture
def snapshot(dbt: Dbt) -> Iterator[psycopg.Connection]:
    """A reader whose open transaction keeps its snapshot and does not wait for locks."""
    with psycopg.connect(dbt.warehouse.reader) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("set lock_timeout = '100ms'")
        yield connection


def unpublished(dbt: Dbt) -> list[int]:
    query = "select load_id from ops.loads where published_at is null order by 1"
    return [row[0] for row in dbt.rows(query)]


def marts_by_version(dbt: Dbt) -> list[tuple[object, ...]]:
    """Return every row of two marts with the transaction that wrote it."""
    return dbt.rows("select xmin::text, f::text from marts.fct_posts as f") + dbt.rows(
        "select xmin::text, f::text from marts.dim_authors as f"
    )


def test_every_model_of_the_marts_is_published(dbt: Dbt) -> None:
    dbt.publish()
    models = {path.stem for path in (PROJECT / "models" / "marts").glob("*.sql")}
    tables = dbt.rows("select table_name from information_schema.tables where table_schema='marts'")
    assert {row[0] for row in tables} == models
    assert dbt.rows(POSTS, "reader") == [(1, "one"), (2, "two")]
    assert unpublished(dbt) == []


def test_keys_and_constraints_are_published_with_the_rows(dbt: Dbt) -> None:
    dbt.publish()
    with psycopg.connect(dbt.warehouse.transformer, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("insert into marts.fct_posts select * from marts.fct_posts")
        with pytest.raises(psycopg.errors.NotNullViolation):
            connection.execute("update marts.fct_posts set title = null")


def test_publishing_again_writes_no_row(dbt: Dbt) -> None:
    dbt.publish()
    before = marts_by_version(dbt)
    published_at = dbt.rows("select published_at from ops.loads")
    dbt.publish()
    assert marts_by_version(dbt) == before
    assert dbt.rows("select published_at from ops.loads") == published_at


def test_rows_that_did_not_change_are_not_written(dbt: Dbt, loader: Loader) -> None:
    dbt.publish()
    before = set(marts_by_version(dbt))
    loader.load(FIRST, [post(1, "one"), post(2, "changed", author=7)])
    dbt.build()
    dbt.publish()
    assert dbt.rows(POSTS) == [(1, "one"), (2, "changed")]
    after = set(marts_by_version(dbt))
    assert len(before) == len(after) == 4
    assert len(after & before) == 3  # post 1, and both authors


def changes_by_version(dbt: Dbt) -> dict[tuple[object, ...], str]:
    """Return each change with the transaction that wrote it."""
    rows = dbt.rows("select post_id, day, change, xmin::text from marts.fct_post_changes")
    return {tuple(change): version for *change, version in rows}


def test_only_the_days_that_differ_are_transferred(dbt: Dbt, loader: Loader) -> None:
    dbt.publish()
    first = changes_by_version(dbt)
    loader.load(SECOND, [post(1, "edited"), post(2, "two", author=7), post(3)])
    dbt.build()
    assert dbt.rows("select distinct day from build.fct_post_changes") == [(SECOND,)]
    dbt.publish()
    second = changes_by_version(dbt)
    assert second.keys() - first.keys() == {(1, SECOND, "edited"), (3, SECOND, "created")}
    assert second.items() >= first.items()

    loader.load(SECOND, [post(1, "edited"), post(2, "two", author=7)])
    dbt.build()
    dbt.publish()
    third = changes_by_version(dbt)
    assert third == {**first, (1, SECOND, "edited"): second[1, SECOND, "edited"]}

    loader.withdraw(SECOND)
    dbt.build()
    dbt.publish()
    assert changes_by_version(dbt) == first
    dbt.build()
    assert dbt.rows("select * from build.fct_post_changes") == []


def test_a_day_is_transferred_until_it_is_published(dbt: Dbt, loader: Loader) -> None:
    dbt.publish()
    loader.load(SECOND, [post(1, "edited"), post(2, "two", author=7)])
    dbt.build()
    loader.load(THIRD, [post(1, "edited again"), post(2, "two", author=7)])
    dbt.build()
    with psycopg.connect(dbt.warehouse.transformer, autocommit=True) as connection:
        add = "alter table marts.fct_posts add constraint c check (title <> 'edited again')"
        connection.execute(add)
        assert 'violates check constraint "c"' in dbt.publish_problem()  # after the changes
        assert (1, SECOND, "edited") not in changes_by_version(dbt)
        connection.execute("alter table marts.fct_posts drop constraint c")
    dbt.publish()
    assert changes_by_version(dbt).keys() >= {(1, SECOND, "edited"), (1, THIRD, "edited")}


@pytest.mark.usefixtures("loader")
def test_a_mart_that_was_dropped_comes_back_whole_with_the_next_build(dbt: Dbt) -> None:
    dbt.publish()
    whole = changes_by_version(dbt).keys()
    with psycopg.connect(dbt.warehouse.transformer) as connection:
        connection.execute("drop table marts.fct_post_changes")
    assert "marts.fct_post_changes" in dbt.publish_problem().replace('"', "")
    dbt.build()
    dbt.publish()
    assert changes_by_version(dbt).keys() == whole


def test_what_an_erasure_took_leaves_every_mart_with_the_next_build(
    dbt: Dbt, loader: Loader
) -> None:
    loader.load(SECOND, [post(1, "changed"), post(2, "two", author=7)])
    dbt.build()
    dbt.publish()
    with psycopg.connect(dbt.warehouse.loader) as connection:  # the loads stay, with a row less
        connection.execute("delete from raw.posts_rows where id = 2")
        connection.execute("update ops.loads set received = received - 1, loaded = loaded - 1")
    dbt.build()
    dbt.publish()
    assert dbt.rows("select distinct post_id from marts.fct_post_changes") == [(1,)]
    assert dbt.rows(POSTS) == [(1, "changed")]


def test_a_full_refresh_compares_the_whole_mart(dbt: Dbt, loader: Loader) -> None:
    loader.load(SECOND, [post(1, "edited")])
    dbt.build()
    dbt.publish()
    loader.withdraw(SECOND)
    dbt.build("--full-refresh")
    dbt.publish()
    assert {day for _, day, _ in changes_by_version(dbt)} == {FIRST}


def test_a_changed_definition_transfers_every_day_again(
    dbt: Dbt, loader: Loader, tmp_path: Path
) -> None:
    loader.load(SECOND, [post(1, "edited")])
    dbt.build()
    dbt.publish()
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    model = project / "models" / "marts" / "fct_post_changes.sql"
    text = model.read_text()
    model.write_text(text.replace("        title,", "        upper(title) as title,"))
    assert model.read_text() != text
    changed = Dbt(dbt.warehouse, tmp_path / "state", project)
    changed.build()
    changed.publish()
    titles = "select title from marts.fct_post_changes order by day, post_id"
    assert dbt.rows(titles) == [("ONE",), ("TWO",), ("EDITED",), ("TWO",)]


def test_a_table_of_an_earlier_release_is_built_anew(dbt: Dbt, loader: Loader) -> None:
    dbt.publish()
    whole = changes_by_version(dbt)
    with psycopg.connect(dbt.warehouse.transformer) as connection:
        connection.execute("alter table build.int_post_changes drop column version")
    loader.load(SECOND, [post(1, "one"), post(2, "two", author=7), post(3)])
    dbt.build()
    dbt.publish()
    assert changes_by_version(dbt).items() >= whole.items()
    assert (3, SECOND, "created") in changes_by_version(dbt)


def test_a_reader_with_an_open_snapshot_keeps_it_and_never_waits(
    dbt: Dbt, loader: Loader, snapshot: psycopg.Connection
) -> None:
    dbt.publish()
    before = snapshot.execute(POSTS).fetchall()
    loader.load(FIRST, [post(3, "three")])
    dbt.build()
    dbt.publish()
    assert snapshot.execute(POSTS).fetchall() == before == [(1, "one"), (2, "two")]
    assert dbt.rows(POSTS) == [(3, "three")]


def test_a_load_that_lands_during_the_build_waits_for_the_next(dbt: Dbt, loader: Loader) -> None:
    late = loader.load(SECOND, [post(1, "late")])
    dbt.publish()
    assert unpublished(dbt) == [late]
    assert dbt.rows(POSTS) == [(1, "one"), (2, "two")]


def test_models_read_the_pinned_loads_although_they_were_replaced(dbt: Dbt, loader: Loader) -> None:
    late = loader.load(FIRST, [post(9, "late")])
    dbt.build("--exclude", "pinned_loads")
    dbt.publish()
    assert unpublished(dbt) == [late]
    assert dbt.rows(POSTS) == [(1, "one"), (2, "two")]


def test_a_failure_in_the_middle_publishes_nothing(dbt: Dbt, loader: Loader) -> None:
    dbt.publish()
    before = marts_by_version(dbt)
    load_id = loader.load(FIRST, [post(1, "changed", author=2)])
    dbt.build()
    with psycopg.connect(dbt.warehouse.transformer, autocommit=True) as connection:
        connection.execute(
            "alter table marts.fct_posts add constraint c check (title <> 'changed')"
        )
        assert 'violates check constraint "c"' in dbt.publish_problem()  # after dim_authors
        assert marts_by_version(dbt) == before
        assert unpublished(dbt) == [load_id]
        connection.execute("alter table marts.fct_posts drop constraint c")
    dbt.publish()
    assert dbt.rows(POSTS) == [(1, "changed")]
    assert unpublished(dbt) == []


@pytest.mark.parametrize("mart", ["fct_posts", "fct_post_changes"])
def test_a_row_that_does_not_arrive_publishes_nothing(dbt: Dbt, mart: str) -> None:
    dbt.publish()
    before = marts_by_version(dbt)
    load_id = Loader(dbt.warehouse).load(FIRST, [post(1, "one"), post(3, "three")])
    dbt.build()
    with psycopg.connect(dbt.warehouse.transformer, autocommit=True) as connection:
        connection.execute(
            "create function marts.lose() returns trigger language plpgsql as"
            " 'begin return null; end'"
        )
        connection.execute(
            f"create trigger lose before insert on marts.{mart} for each row"
            " when (new.post_id = 3) execute function marts.lose()"
        )
        problem = dbt.publish_problem()
        assert f'of 2 rows of "build"."{mart}", "marts"."{mart}" would show 1' in problem
        assert marts_by_version(dbt) == before
        assert unpublished(dbt) == [load_id]
        connection.execute("drop function marts.lose cascade")
    dbt.publish()
    assert unpublished(dbt) == []


def test_one_publish_waits_for_another(dbt: Dbt) -> None:
    impatient = {"PGOPTIONS": "-c lock_timeout=100ms"}
    with psycopg.connect(dbt.warehouse.transformer) as other:
        other.execute("lock table ops.publish_lock in exclusive mode")
        assert "lock timeout" in dbt.publish_problem(impatient)
    assert not dbt.publish_problem(impatient)


def test_a_failed_test_publishes_nothing_until_it_passes(dbt: Dbt, loader: Loader) -> None:
    dbt.publish()
    before = marts_by_version(dbt)
    loader.load(FIRST, [{"userId": 1, "id": 1, "body": "without a title"}])
    result = dbt.invoke("build")
    assert [name for name in failures(result) if name.startswith("not_null_columns_stg_posts")]
    assert "not_null_columns_stg_posts" in dbt.publish_problem()
    assert marts_by_version(dbt) == before
    repaired = loader.load(FIRST, [post(1, "repaired")])
    dbt.build()
    assert unpublished(dbt) == [repaired - 1, repaired]
    dbt.publish()
    assert dbt.rows(POSTS) == [(1, "repaired")]
    assert unpublished(dbt) == [repaired - 1]  # readers never saw this load


def test_a_build_publishes_at_its_end_if_asked_and_nothing_failed(dbt: Dbt, loader: Loader) -> None:
    asked = {"PIPELINE_DBT_PUBLISH": "true"}
    assert dbt.invoke("build", env=asked).success
    assert dbt.rows(POSTS) == [(1, "one"), (2, "two")]
    assert unpublished(dbt) == []
    before = marts_by_version(dbt)

    refused = loader.load(FIRST, [{"userId": 1, "id": 1, "body": "without a title"}])
    failed = failures(dbt.invoke("build", env=asked))
    assert failed
    assert all(name.startswith("not_null_columns_") for name in failed)  # not: nothing published
    assert marts_by_version(dbt) == before

    loader.load(FIRST, [post(1, "repaired")])
    dbt.build()
    assert marts_by_version(dbt) == before  # the build was not asked to publish
    assert dbt.invoke("build", env=asked).success
    assert dbt.rows(POSTS) == [(1, "repaired")]
    assert unpublished(dbt) == [refused]


def test_a_build_whose_publish_is_refused_has_failed(dbt: Dbt) -> None:
    asked = {"PIPELINE_DBT_PUBLISH": "true", "PGOPTIONS": "-c lock_timeout=100ms"}
    with psycopg.connect(dbt.warehouse.transformer) as other:
        other.execute("lock table ops.publish_lock in exclusive mode")
        result = dbt.invoke("build", env=asked)
    assert not result.success
    assert "lock timeout" in str(result.exception)
    assert dbt.rows("select to_regclass('marts.fct_posts')") == [(None,)]
    assert dbt.invoke("build", env=asked).success


def test_a_ledger_that_miscounts_is_caught(dbt: Dbt, loader: Loader) -> None:
    load_id = loader.load(SECOND, [post(1), post(2)])
    with psycopg.connect(dbt.warehouse.loader) as connection:
        connection.execute("delete from raw.posts_rows where load_id = %s and id = 2", (load_id,))
    assert "posts_match_the_ledger" in failures(dbt.invoke("build"))
    assert "posts_match_the_ledger failed" in dbt.publish_problem()


def test_a_failed_test_of_a_source_stops_what_was_built_beside_it(dbt: Dbt, loader: Loader) -> None:
    """With one task per model, the source tests and the models run at the same time."""
    load_id = loader.load(SECOND, [post(3)])
    sha256 = "update ops.loads set sha256 = %s where load_id = %s"
    with psycopg.connect(dbt.warehouse.admin, autocommit=True) as connection:
        connection.execute(sha256, (None, load_id))
        assert not dbt.invoke("test", "--select", "source:*").success
        for model in MODELS:
            dbt.build("--select", model)
        assert "current_loads_know_their_content failed" in dbt.publish_problem()
        connection.execute(sha256, ("ab", load_id))
    assert dbt.invoke("test", "--select", "source:*").success
    dbt.publish()


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (
            "run",
            "_stg_posts_post_id__day is older than its parent stg_posts",
        ),
        ("build --select pinned_loads", "fct_posts has not run on this snapshot"),
        ("build --select int_post_changes", "fct_post_changes is older than its parent"),
        ("build --exclude volume_is_usual unique_fct_posts_post_id", "unique_fct_posts_post_id"),
        ("build --empty", "stg_posts failed"),
    ],
)
def test_a_build_that_is_not_whole_is_refused(
    dbt: Dbt, loader: Loader, command: str, problem: str
) -> None:
    if command != "run":
        loader.load(SECOND, [post(3)])
    assert dbt.invoke(*command.split()).success
    assert problem in dbt.publish_problem()


def test_a_model_a_command_runs_every_gate(dbt: Dbt, loader: Loader) -> None:
    loader.load(SECOND, [post(1)])
    for model in MODELS:
        dbt.build("--select", model)
    dbt.publish()


def test_a_table_that_no_model_owns_is_noted_and_dropped_on_demand(dbt: Dbt) -> None:
    noted = "select name from build.unowned_marts"
    dbt.publish()
    with psycopg.connect(dbt.warehouse.transformer) as connection:
        connection.execute('create table marts."Dim extra" as select 1 as number')
        connection.execute("create view marts.of_fct_posts as select * from marts.fct_posts")
    dbt.publish()
    assert dbt.rows(noted) == [("Dim extra",)]
    arguments = ("run-operation", "publish", "--args", "{drop_unowned: true}")
    assert dbt.invoke(*arguments).success
    assert dbt.rows(noted) == []
    left = "select relname from pg_class where relnamespace = 'marts'::regnamespace"
    names = {name for (name,) in dbt.rows(left)}
    assert "Dim extra" not in names
    assert names >= {"of_fct_posts", "fct_posts"}


def test_nothing_is_published_before_the_first_build(warehouse: Warehouse, tmp_path: Path) -> None:
    assert "run dbt build first" in Dbt(warehouse, tmp_path).publish_problem()


@pytest.mark.usefixtures("loader")
def test_columns_follow_the_model(dbt: Dbt, tmp_path: Path) -> None:
    """The test adds a column, drops one, changes the type of one, and changes the key."""
    dbt.publish()
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    marts = project / "models" / "marts"
    (marts / "dim_authors.sql").write_text(
        "select cast(author_id as text) as author_id, max(author_name) as author_name,"
        " count(*) as posts, true as is_new"
        " from {{ ref('fct_posts') }} group by author_id"
    )
    (marts / "dim_authors.yml").write_text(
        """
models:
  - name: dim_authors
    columns:
      - {name: author_id, data_type: text, constraints: [{type: primary_key}]}
      - {name: author_name, data_type: text}
      - {name: posts, data_type: bigint, constraints: [{type: not_null}]}
      - {name: is_new, data_type: boolean}
"""
    )
    fct_posts = marts / "fct_posts.yml"
    kept, _ = fct_posts.read_text().split("        data_tests:\n          - relationships", 1)
    _, rest = fct_posts.read_text().split("field: author_id\n", 1)
    fct_posts.write_text(kept + rest)
    changed = Dbt(dbt.warehouse, tmp_path / "state", project)
    changed.build()
    changed.publish()
    assert dbt.rows("select author_id, posts, is_new from marts.dim_authors order by 1") == [
        ("1", 1, True),
        ("7", 1, True),
    ]
    columns = dbt.rows("select * from marts.dim_authors limit 1")
    assert len(columns[0]) == 4
    with (
        psycopg.connect(dbt.warehouse.transformer) as connection,
        pytest.raises(psycopg.errors.UniqueViolation),
    ):
        connection.execute("insert into marts.dim_authors select * from marts.dim_authors")
    dbt.build()
    dbt.publish()  # and back
    assert dbt.rows("select author_id, posts from marts.dim_authors order by 1") == [(1, 1), (7, 1)]


def test_a_change_of_columns_gives_up_rather_than_make_readers_queue(
    dbt: Dbt, snapshot: psycopg.Connection
) -> None:
    dbt.publish()
    with psycopg.connect(dbt.warehouse.transformer) as connection:
        connection.execute("alter table marts.dim_authors drop column posts")
    snapshot.execute("select * from marts.dim_authors").fetchall()
    assert "lock timeout" in dbt.publish_problem()
    snapshot.rollback()
    dbt.publish()
    assert dbt.rows("select posts from marts.dim_authors") == [(1,), (1,)]
