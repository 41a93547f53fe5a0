"""A dbt project of two marts with the same rows, one transferred by day and one as a whole.

Pins, gates, outcomes and the publish are those of the real project. Only the models are short.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg

from scripts.errors import BuildFailedError
from tests.sim.macros import Macros

_MODELS = Path(__file__).parents[2] / "dbt" / "models" / "intermediate"
_DAYS = """
    select day, md5(string_agg(load_id || '/' || loaded, ',')) as version
    from {{ ref("pinned_loads") }} where source = 'posts' group by day
"""
_ROWS = """
    select pins.day, found.position,
        found.id as post_id, found.title
    from {{ ref("pinned_loads") }} as pins
    inner join {{ source("raw", "posts_rows") }} as found on found.load_id = pins.load_id
    where pins.source = 'posts'
"""
_ROWS_OF_DAYS = """
    select * from ({{ rows }}) as found
    where day in (select day from (
        {{ elt.unpublished_days("fct_by_day", ref("int_days"), ref("published_days"), logic) }}
    ) as days)
"""
_MISCOUNTED = """
    select count(*) from build.pinned_loads as pins
    where source = 'posts' and loaded <> (
        select count(*) from raw.posts_rows as found where found.load_id = pins.load_id
    )
"""
_PIN = "delete from build.pinned_loads; insert into build.pinned_loads {{ query }}"
# As dbt builds a table: beside the old one, which it then replaces.
_REPLACE = """
    create table build.{{ name }}__new as {{ query }};
    {% if key %} alter table build.{{ name }}__new add primary key ({{ key }}); {% endif %}
    drop table if exists build.{{ name }};
    alter table build.{{ name }}__new rename to {{ name }};
"""
SHOWN = "select day, position, post_id, title from {} order by day, position"

Task = Callable[[psycopg.Connection[Any]], None]


def _node(name: str, *parents: str, kind: str = "model", **more: Any) -> SimpleNamespace:
    return SimpleNamespace(
        unique_id=f"{kind}.elt.{name}",
        name=name,
        alias=name,
        schema="build",
        package_name="elt",
        resource_type=kind,
        fqn=["elt", "marts" if name.startswith("fct") else "intermediate"],
        depends_on=SimpleNamespace(nodes=[f"model.elt.{parent}" for parent in parents]),
        checksum=SimpleNamespace(checksum=name),
        config=SimpleNamespace(severity="error", meta=more),
    )


_NODES = [
    _node("pinned_loads"),
    _node("published_days", "pinned_loads"),
    _node("int_days", "pinned_loads"),
    _node("fct_whole", "pinned_loads"),
    _node("fct_by_day", "int_days", "published_days", days="int_days"),
    _node("no_row_is_missing", "fct_whole", "fct_by_day", kind="test"),
]
NODES: Mapping[str, Any] = {node.unique_id: node for node in _NODES}


def create_marts(connection: psycopg.Connection[Any]) -> None:
    """Create the marts, by a publish of nothing."""
    pin(connection)
    build(connection)
    test(connection, fails=False)
    if not publish(connection):
        raise BuildFailedError("the first publish was refused")


def pin(connection: psycopg.Connection[Any]) -> None:
    """Build the models that decide what the others read."""
    macros = Macros(connection, NODES)
    pinned, published = (
        macros.render((_MODELS / f"{name}.sql").read_text())
        for name in ("pinned_loads", "published_days")
    )
    if macros.exists("build.pinned_loads"):
        connection.execute(macros.render(_PIN, query=pinned))
    else:
        connection.execute(f"create table build.pinned_loads as {pinned}")
    if macros.exists("build.published_days"):
        connection.execute(macros.forget_missing_marts("build.published_days"))
    else:
        connection.execute(
            f"create table build.published_days as {published};"
            " create unique index on build.published_days (mart, day)"
        )
    _record(macros, connection, "pinned_loads", "published_days")


def build(connection: psycopg.Connection[Any]) -> None:
    """Build the marts in schema build."""
    macros = Macros(connection, NODES)
    logic = macros.logic_checksum(NODES["model.elt.fct_by_day"])
    for name, text, key in (
        ("int_days", _DAYS, ""),
        ("fct_whole", _ROWS, "day, position"),
        ("fct_by_day", _ROWS_OF_DAYS, "day, position"),
    ):
        query = macros.render(text, logic=logic, rows=macros.render(_ROWS))
        connection.execute(macros.render(_REPLACE, name=name, query=query, key=key))
    _record(macros, connection, "int_days", "fct_whole", "fct_by_day")


def test(connection: psycopg.Connection[Any], *, fails: bool) -> list[Any] | None:
    """Test what was built. Return its rows, or None if the test found something."""
    macros = Macros(connection, NODES)
    rows = connection.execute(SHOWN.format("build.fct_whole")).fetchall()
    [found] = connection.execute(_MISCOUNTED).fetchall()
    passed = found == (0,) and not fails
    _record(macros, connection, "no_row_is_missing", passed=passed)
    return rows if passed else None


def publish(connection: psycopg.Connection[Any]) -> bool:
    """Publish. Return whether it was not refused."""
    try:
        Macros(connection, NODES).publish()
    except BuildFailedError:
        connection.execute("rollback")
        return False
    return True


def _record(
    macros: Macros, connection: psycopg.Connection[Any], *names: str, passed: bool = True
) -> None:
    results = [
        SimpleNamespace(node=node, status="success" if passed else "fail", failures=None)
        for node in _NODES
        if node.name in names
    ]
    connection.execute(macros.record_outcomes(results))
