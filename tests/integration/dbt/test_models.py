"""The models, built on real rows, and the history for days that arrive in any order."""

import functools
import hashlib
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from local.postgres import PostgresServer
from tests.integration.dbt.support import (
    PROJECT,
    Baseline,
    Dbt,
    Loader,
    Post,
    comment,
    days,
    earthquake,
    failures,
    post,
    user,
)

pytestmark = pytest.mark.integration

DAYS = days(5)
MARTS = sorted(path.stem for path in (PROJECT / "models" / "marts").glob("*.sql"))


@pytest.fixture(scope="module")
def built(
    postgres: PostgresServer, _migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Dbt:
    """The project, built on an empty warehouse."""
    warehouse = Baseline(postgres, _migrated_template, "dbt_models").warehouse
    dbt = Dbt(warehouse, tmp_path_factory.mktemp("dbt"))
    dbt.run()
    return dbt


@pytest.fixture
def dbt(built: Dbt) -> Dbt:
    _empty(built)
    return built


@pytest.fixture
def loader(dbt: Dbt) -> Loader:
    return Loader(dbt.warehouse)


def _empty(dbt: Dbt) -> None:
    """Delete all loads. The models that were built from them stay until the next run."""
    with psycopg.connect(dbt.warehouse.admin) as connection:
        connection.execute(
            "truncate ops.loads, ops.rejects, raw.posts_rows, raw.comments_rows, raw.users_rows,"
            " raw.earthquakes_rows"
        )


def test_an_empty_warehouse_builds(dbt: Dbt) -> None:
    dbt.build()
    assert dbt.rows("select count(*) from build.fct_posts") == [(0,)]
    assert dbt.invoke("test", "--select", "source:*").success


def test_texts_arrive_byte_for_byte(dbt: Dbt, loader: Loader) -> None:
    text = (
        "  \t\"quoted\" 'single' back\\slash \\n\n\r\n ünïcode \u2028 😀 {json: null} ' '' %s $1 "
    )
    loader.load(DAYS[0], [post(2**62, title=text, body=text[::-1], author=2**61)])
    dbt.build()
    rows = dbt.rows("select post_id, author_id, title, body from build.fct_posts")
    assert rows == [(2**62, 2**61, text, text[::-1])]


def test_history_of_days_that_come_one_by_one(dbt: Dbt, loader: Loader) -> None:
    loader.load(DAYS[0], [post(1, "a"), post(2, "b")])
    dbt.build()
    loader.load(DAYS[2], [post(1, "A"), post(3, "c")])
    dbt.build()
    loader.load(DAYS[1], [])  # late, and empty
    dbt.build()
    assert dbt.rows("select day, post_id, change from build.fct_post_changes order by 1, 2") == [
        (DAYS[0], 1, "created"),
        (DAYS[0], 2, "created"),
        (DAYS[1], 1, "deleted"),
        (DAYS[1], 2, "deleted"),
        (DAYS[2], 1, "created"),
        (DAYS[2], 3, "created"),
    ]
    assert dbt.rows(
        "select post_id, title, first_seen_day, last_seen_day, is_deleted"
        " from build.fct_posts order by 1"
    ) == [
        (1, "A", DAYS[0], None, False),
        (2, "b", DAYS[0], DAYS[0], True),
        (3, "c", DAYS[2], None, False),
    ]
    volumes = "select loaded from build.fct_daily_loads order by day"
    assert dbt.rows(volumes) == [(2,), (0,), (2,)]


def _compared_by_row(dbt: Dbt, nodes: Sequence[Any], setting: str) -> set[str]:
    """Return the models whose plan compares each row of one table with each of another."""

    def is_so(plan: dict[str, Any]) -> bool:
        parts = plan.get("Plans", [])
        is_loop = plan["Node Type"] == "Nested Loop" and "Join Filter" in plan
        return (is_loop and parts[1]["Plan Rows"] > 1) or any(map(is_so, parts))

    with psycopg.connect(dbt.warehouse.transformer) as connection:
        connection.execute(sql.SQL("set enable_nestloop = {}").format(sql.Literal(setting)))
        found = {}
        for node in nodes:
            row = connection.execute(f"explain (format json) {node.compiled_code}").fetchone()
            assert row is not None
            found[node.name] = row[0][0]["Plan"]
    return {name for name, plan in found.items() if is_so(plan)}


def test_no_model_joins_each_row_with_each_other(dbt: Dbt, loader: Loader) -> None:
    loader.load(DAYS[0], [post(1), post(2)])
    Loader(dbt.warehouse, "users").load(DAYS[0], [user(1)])
    done = dbt.invoke("run", "--full-refresh")
    nodes = [r.node for r in done.result.results if r.node.config.materialized != "view"]
    for node in nodes:
        assert "{{ join_by_hash() }}" in [hook.sql for hook in node.config.pre_hook], node.name
    assert "fct_posts" in _compared_by_row(dbt, nodes, "on"), "then the setting is not needed"
    assert _compared_by_row(dbt, nodes, "off") == set()


def test_a_new_history_has_statistics(dbt: Dbt, loader: Loader) -> None:
    loader.load(DAYS[0], [post(1), post(2)])
    dbt.run("--full-refresh")
    question = "select attname from pg_stats where tablename = 'int_post_changes'"
    assert ("version",) in dbt.rows(question)


CHANGES = "select day, post_id, change from build.fct_post_changes order by 1, 2"


def test_a_rejected_post_is_unknown_and_not_deleted(dbt: Dbt, loader: Loader) -> None:
    for day, records, rejects in (
        (DAYS[0], [post(1), post(2), post(3)], []),
        (DAYS[1], [post(2)], [1]),  # 3 is deleted
        (DAYS[2], [post(2)], [1, None]),
        (DAYS[3], [post(1, "edited")], [None]),  # 2 cannot be called deleted
        (DAYS[4], [post(1, "edited")], []),
    ):
        loader.load(day, records, rejects=rejects)
        dbt.build()
    created = [(DAYS[0], number, "created") for number in (1, 2, 3)]
    expected = [
        *created,
        (DAYS[1], 3, "deleted"),
        (DAYS[3], 1, "edited"),
        (DAYS[4], 2, "deleted"),
    ]
    assert dbt.rows(CHANGES) == expected
    dbt.build("--full-refresh")
    assert dbt.rows(CHANGES) == expected
    loader.load(DAYS[1], [post(2)])  # the day again: 1 is not rejected, and not there
    dbt.build()
    assert dbt.rows(CHANGES) == [
        *created,
        (DAYS[1], 1, "deleted"),
        (DAYS[1], 3, "deleted"),
        (DAYS[3], 1, "created"),
        (DAYS[4], 2, "deleted"),
    ]


def test_a_rejected_user_or_comment_stays_as_it_was(dbt: Dbt, loader: Loader) -> None:
    for day in DAYS[:2]:
        loader.load(day, [post(1, author=1)])
    Loader(dbt.warehouse, "users").load(DAYS[0], [user(1, "One")])
    Loader(dbt.warehouse, "users").load(DAYS[1], [], rejects=[1])
    Loader(dbt.warehouse, "comments").load(DAYS[0], [comment(1, 1), comment(2, 1), comment(3, 1)])
    Loader(dbt.warehouse, "comments").load(DAYS[1], [comment(1, 1)], rejects=[3])
    dbt.build()
    posts = "select post_id, author_name, comment_count from build.fct_posts"
    assert dbt.rows(posts) == [(1, "One", 2)]


def test_posts_do_without_the_other_sources_and_take_them_when_they_come(dbt: Dbt) -> None:
    posts = "select post_id, author_name, comment_count from build.fct_posts order by 1"
    authors = "select author_id, author_name, city, comments from build.dim_authors order by 1"
    Loader(dbt.warehouse).load(DAYS[1], [post(1, author=1), post(2, author=2)])
    dbt.build()
    assert dbt.rows(posts) == [(1, None, None), (2, None, None)]
    assert dbt.rows(authors) == [(1, None, None, None), (2, None, None, None)]

    Loader(dbt.warehouse, "comments").load(DAYS[0], [comment(n, post_id=2) for n in (1, 2)])
    Loader(dbt.warehouse, "users").load(DAYS[2], [user(1, "One"), user(2, "Two")])
    dbt.build()
    assert dbt.rows(posts) == [(1, "One", 0), (2, "Two", 2)]
    assert dbt.rows(authors) == [(1, "One", "C", 0), (2, "Two", "C", 2)]


def test_windows_are_added_up_and_a_day_again_replaces_its_own(dbt: Dbt) -> None:
    quakes = Loader(dbt.warehouse, "earthquakes")
    marts = "select day, earthquakes, strongest from build.fct_earthquake_days order by 1"

    def at(day: date) -> datetime:
        return datetime.combine(day, time(23, 59, 59, 999_000), UTC)

    quakes.load(DAYS[2], [earthquake("c", at(DAYS[2]), 5)])
    quakes.load(DAYS[0], [earthquake("a", at(DAYS[0])), earthquake("b", at(DAYS[0]), None)])
    quakes.load(DAYS[1], [], rejects=["x"])
    dbt.build()
    expected = [(DAYS[0], 2, 3), (DAYS[1], 0, None), (DAYS[2], 1, 5)]
    assert dbt.rows(marts) == expected
    quakes.load(DAYS[0], [earthquake("b", at(DAYS[0]), 6)])
    dbt.build()
    assert dbt.rows(marts) == [(DAYS[0], 1, 6), *expected[1:]]


def test_an_api_that_ignores_the_window_is_noticed(dbt: Dbt) -> None:
    wrong = earthquake("a", datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC))
    Loader(dbt.warehouse, "earthquakes").load(DAYS[0], [wrong])
    assert failures(dbt.invoke("build")) == ["earthquakes_are_of_their_day"]


def test_a_declaration_that_the_models_do_not_know_is_noticed(dbt: Dbt, loader: Loader) -> None:
    loader.load(DAYS[0], [post(1)])
    with psycopg.connect(dbt.warehouse.admin) as connection:
        connection.execute("update ops.loads set day_kind = 'changes'")
    assert failures(dbt.invoke("build")) == ["days_are_what_the_models_read"]


def test_what_does_not_fit_another_source_is_reported_but_stops_nothing(dbt: Dbt) -> None:
    Loader(dbt.warehouse).load(DAYS[0], [post(1, author=1), post(2, author=2)])
    Loader(dbt.warehouse, "comments").load(DAYS[0], [comment(1, post_id=1), comment(2, post_id=9)])
    Loader(dbt.warehouse, "users").load(DAYS[0], [user(2)])
    result = dbt.invoke("build")
    assert result.success
    warned = {r.node.name: r.failures for r in result.result.results if r.status == "warn"}
    assert warned == {"authors_are_users": 1, "comments_are_on_posts": 1}
    dbt.publish()


@pytest.mark.parametrize(
    ("source", "records"),
    [("comments", [comment(1, 1), comment(2, 1)]), ("users", [user(1), user(2)])],
)
def test_each_source_is_held_against_its_ledger(dbt: Dbt, source: str, records: list[Post]) -> None:
    load_id = Loader(dbt.warehouse, source).load(DAYS[0], records)
    with psycopg.connect(dbt.warehouse.loader) as connection:
        connection.execute(
            sql.SQL("delete from raw.{} where load_id = %s and id = 2").format(
                sql.Identifier(f"{source}_rows")
            ),
            (load_id,),
        )
    assert failures(dbt.invoke("build")) == [f"{source}_match_the_ledger"]


def test_an_unusual_volume_is_reported_but_stops_nothing(dbt: Dbt, loader: Loader) -> None:
    for day in DAYS[:3]:
        loader.load(day, [post(n) for n in range(50)])
    loader.load(DAYS[3], [post(n) for n in range(10)])
    lenient = dbt.invoke("build", env={"PIPELINE_VOLUME_Z_SCORE": "41"})  # the deviation is 40
    assert not [r for r in lenient.result.results if r.status == "warn"]
    result = dbt.invoke("build")
    assert result.success
    warned = [r for r in result.result.results if r.status == "warn"]
    assert [(r.node.name, r.failures) for r in warned] == [("volume_is_usual", 1)]
    dbt.publish()
    again = dbt.invoke("build").result.results
    assert not [r for r in again if r.status == "warn"]  # warns only once


@pytest.mark.usefixtures("loader")
def test_a_count_below_zero_is_caught(dbt: Dbt) -> None:
    with psycopg.connect(dbt.warehouse.loader) as connection:
        connection.execute(
            """
            insert into ops.loads (load_id, source, day, key, etag, last_modified, bytes, sha256,
                state, received, loaded, rejected, seconds, is_current)
            values (1, 'other', '2026-01-01', 'k', 'e', now(), 1, 'ab', 'loaded', 1, -1, 2, 1, true)
            """
        )
    assert failures(dbt.invoke("build")) == ["accepted_range_fct_daily_loads_loaded__0"]


def test_a_changed_definition_computes_every_day_anew(
    dbt: Dbt, loader: Loader, tmp_path: Path
) -> None:
    loader.load(DAYS[0], [post(1, "a title")])
    dbt.run()
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    staged = project / "models" / "staging" / "stg_posts.sql"
    text = staged.read_text()
    staged.write_text(text.replace("        title,", "        {{ upper_title() }} as title,"))
    assert staged.read_text() != text
    macro = "{% macro upper_title() %}upper(title){% endmacro %}"
    (project / "macros" / "upper_title.sql").write_text(macro)
    Dbt(dbt.warehouse, tmp_path, project).run()
    assert dbt.rows("select title from build.fct_posts") == [("A TITLE",)]


def test_every_column_is_described(dbt: Dbt) -> None:
    manifest = dbt.invoke("parse").result
    described = {
        (node.name, column)
        for node in manifest.nodes.values()
        if node.resource_type == "model"
        for column, facts in node.columns.items()
        if facts.description
    }
    models = [name for name, _ in described]
    columns = dbt.rows(
        "select table_name, column_name from information_schema.columns"
        " where table_schema in ('staging', 'build')"
    )
    assert {pair for pair in columns if pair[0] in models} == described
    assert set(models) == {path.stem for path in (PROJECT / "models").glob("*/*.sql")}


def test_failing_rows_are_kept_for_the_alert(dbt: Dbt, loader: Loader) -> None:
    loader.load(DAYS[0], [post(1), post(7), post(7)])
    result = dbt.invoke("build")
    failed = [r for r in result.result.results if r.status == "fail"]
    assert [(r.node.name, r.failures) for r in failed] == [
        ("unique_combination_of_columns_stg_posts_post_id__day", 1)
    ]
    kept = dbt.rows(
        sql.SQL("select post_id, day from {}").format(sql.SQL(failed[0].node.relation_name))
    )
    assert kept == [(7, DAYS[0])]


# --- any order, any repetition -----------------------------------------------------------------


Slot = tuple[str, date]  # a source and a day


@dataclass(frozen=True)
class Step:
    """One load of a source's day: the final content, or content that a later load replaces."""

    slot: Slot
    is_stale: bool


class Content(NamedTuple):
    """What an object contains: valid records, and the keys of rejected ones, None if unreadable."""

    records: list[Post]
    rejects: list[int | None]


def stale(slot: Slot) -> Content:
    """Return content that a later load replaces."""
    source, day = slot
    return {
        "posts": Content([post(1, "stale"), post(77, "stale")], [2]),
        "comments": Content([comment(1, 77)], []),
        "users": Content([], [None]),
        "earthquakes": Content([earthquake("stale", noon(day), 9)], [None]),
    }[source]


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


@functools.cache
def world(seed: int) -> dict[Slot, Content]:
    """Return days of posts that appear, change, are rejected, disappear and return.

    One day is missing and one is empty. Each source that the posts are joined with has two days.
    """
    chance = random.Random(seed)
    missing, empty = chance.sample(DAYS, 2)

    def some(count: int) -> list[int]:
        return [n for n in range(count) if chance.random() < 0.7]

    def some_rejected(records: list[Post]) -> Content:
        rejected = [record["id"] for record in records if chance.random() < 0.2]
        unreadable = [None] * (chance.random() < 0.2)
        return Content([r for r in records if r["id"] not in rejected], [*rejected, *unreadable])

    found: dict[Slot, Content] = {}
    for day in DAYS:
        if day != missing:
            found["posts", day] = some_rejected(
                [
                    post(n, chance.choice("ab"), chance.choice("xy"), author=chance.choice([1, 2]))
                    for n in some(0 if day == empty else 6)
                ]
            )
    for day in chance.sample(DAYS, 2):
        found["comments", day] = some_rejected(
            [comment(n, chance.choice(range(6))) for n in some(9)]
        )
    for day in chance.sample(DAYS, 2):
        found["users", day] = some_rejected([user(n, chance.choice("AB")) for n in some(4)])
    for day in chance.sample(DAYS, 3):
        found["earthquakes", day] = some_rejected(
            [earthquake(f"{day}-{n}", noon(day), chance.choice([None, 3, 4.5])) for n in some(4)]
        )
    return found


def fingerprints(dbt: Dbt, schema: str) -> dict[str, str]:
    """Return the sha256 of each mart's rows in order, as they are in a schema."""
    found = {}
    with psycopg.connect(dbt.warehouse.transformer) as connection:
        for mart in MARTS:
            digest = hashlib.sha256()
            query = sql.SQL("copy (select * from {} as m order by m) to stdout")
            with connection.cursor().copy(query.format(sql.Identifier(schema, mart))) as copy:
                for block in copy:
                    digest.update(block)
            found[mart] = digest.hexdigest()
    return found


def simple_changes(seed: int) -> list[tuple[date, int, str]]:
    """Return the changes of a world's posts, day by day, as simply as they can be said."""
    state: dict[int, Post] = {}
    changes = []
    days = sorted(day for source, day in world(seed) if source == "posts")
    for day in days:
        content = world(seed)["posts", day]
        found = {record["id"]: record for record in content.records}
        for number, record in state.items():
            if number in content.rejects or None in content.rejects:
                found.setdefault(number, record)
        changes += [(day, n, "created") for n in found.keys() - state.keys()]
        changes += [(day, n, "deleted") for n in state.keys() - found.keys()]
        changes += [(day, n, "edited") for n in found if n in state and found[n] != state[n]]
        state = found
    return sorted(changes)


@pytest.fixture(scope="module")
def expected(built: Dbt) -> list[dict[str, str]]:
    """Each world's fingerprints, from its days in order with a full refresh."""
    prints = []
    for seed in range(3):
        _empty(built)
        for (source, day), content in world(seed).items():
            Loader(built.warehouse, source).load(day, content.records, rejects=content.rejects)
        built.run("--full-refresh")
        assert built.rows(CHANGES) == simple_changes(seed)
        prints.append(fingerprints(built, "build"))
    return prints


@st.composite
def histories(draw: st.DrawFn, seed: int) -> list[list[Step]]:
    """Generate batches of loads that end with every day's final content. A build follows each."""
    slots = list(world(seed))
    final = [Step(slot, is_stale=False) for slot in draw(st.permutations(slots))]
    steps: list[Step] = []
    for step in final:
        steps += draw(st.lists(st.builds(Step, st.sampled_from(slots), st.booleans()), max_size=1))
        steps.append(step)
    cut = draw(st.integers(1, len(steps)))
    return [steps[:cut], steps[cut:] + [step for step in final if _last(steps, step.slot) != step]]


def _last(steps: Sequence[Step], slot: Slot) -> Step:
    return [step for step in steps if step.slot == slot][-1]


@pytest.mark.parametrize("seed", range(3))
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_order_and_repetition_of_days_ends_in_the_same_marts(
    built: Dbt, expected: list[dict[str, str]], seed: int, data: st.DataObject
) -> None:
    first, second = data.draw(histories(seed))
    is_published_between, is_refreshed = data.draw(st.tuples(st.booleans(), st.booleans()))
    _empty(built)
    stray = next(day for day in DAYS if ("posts", day) not in world(seed))
    Loader(built.warehouse).load(stray, [post(99, "withdrawn later")])
    _load(built, seed, first)
    if is_published_between:
        built.build()
        built.publish()
    else:
        built.run("--select", "pinned_loads", "carried_rows", "int_post_changes")  # what remembers
    _load(built, seed, second)
    Loader(built.warehouse).withdraw(stray)
    built.build(*(["--full-refresh"] if is_refreshed else []))
    built.publish()
    assert fingerprints(built, "marts") == expected[seed]


def _load(dbt: Dbt, seed: int, steps: Sequence[Step]) -> None:
    for step in steps:
        source, day = step.slot
        content = stale(step.slot) if step.is_stale else world(seed)[step.slot]
        Loader(dbt.warehouse, source).load(day, content.records, rejects=content.rejects)
