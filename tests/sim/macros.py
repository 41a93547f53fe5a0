"""The macros of the dbt project without dbt, which takes seconds to start.

Jinja runs the same text, and every statement goes to a connection of psycopg. What the macros use
of dbt's context is here, and nothing else: another name is an error.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from hashlib import md5
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import psycopg

from scripts.errors import BuildFailedError

_MACROS = Path(__file__).parents[2] / "dbt" / "macros"
_FILES = ("history", "logic_checksum", "outcomes", "portable", "publish", "published_days")
_COLUMNS = """
    select attname, format_type(atttypid, atttypmod) from pg_attribute
    where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum
"""


class Macros:
    """The macros of the namespace `elt`: a function for each, which runs on one connection.

    Args:
        connection: in autocommit mode, as role transformer.
        nodes: the project's graph, by unique id.
    """

    def __init__(self, connection: psycopg.Connection[Any], nodes: Mapping[str, Any]) -> None:
        self._connection = connection
        self._affected = 0
        self._module: Any = _template().make_module(self._context(nodes))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a macro. Its value is what it returns, or its text."""
        macro = getattr(self._module, name)

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return macro(*arguments, **named)
            except _ReturnedError as returned:
                return returned.value

        return call

    def render(self, text: str, **more: Any) -> str:
        """Return the SQL of a model, as it is after its first build."""
        macros = {name: getattr(self, name) for name in vars(self._module) if name[0] != "_"}
        return _compiled(text).render(
            macros,
            config=lambda **_: "",
            elt=self,
            flags=SimpleNamespace(FULL_REFRESH=False),
            ref=lambda name: f"build.{name}",
            source=lambda schema, name: f"{schema}.{name}",
            **more,
        )

    def _context(self, nodes: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "adapter": SimpleNamespace(
                dispatch=self._dispatched,
                get_columns_in_relation=self._columns,
            ),
            "api": SimpleNamespace(Relation=SimpleNamespace(create=Relation)),
            "elt": self,
            "exceptions": SimpleNamespace(raise_compiler_error=_fail),
            "execute": True,
            "graph": {"nodes": nodes},
            "invocation_args_dict": {},
            "load_result": lambda _: SimpleNamespace(
                response=SimpleNamespace(rows_affected=self._affected)
            ),
            "local_md5": lambda text: md5(text.encode(), usedforsecurity=False).hexdigest(),
            "log": lambda *_, **__: None,
            "return": _return,
            "run_query": self.run_query,
            "statement": self._statement,
            "target": SimpleNamespace(schema="build"),
        }

    def run_query(self, sql: Any) -> SimpleNamespace:
        """Run statements. Return a table with the rows and the columns of the last one."""
        cursor = self._connection.execute(str(sql))
        names = [column.name for column in cursor.description or ()]
        rows = cursor.fetchall() if names else []
        columns = [[row[index] for row in rows] for index in range(len(names))]
        return SimpleNamespace(
            rows=[_Row(zip(names, row, strict=True)) for row in rows],
            columns=[SimpleNamespace(values=partial(list, column)) for column in columns],
        )

    def _dispatched(self, name: str, _package: str) -> Callable[..., Any]:
        own = f"postgres__{name}"
        found: Callable[..., Any] = getattr(
            self, own if hasattr(self._module, own) else f"default__{name}"
        )
        return found

    def _statement(self, *_: Any, caller: Callable[[], str], **__: Any) -> str:
        self._affected = self._connection.execute(caller()).rowcount
        return ""

    def _columns(self, relation: "Relation") -> list[SimpleNamespace]:
        rows = self._connection.execute(_COLUMNS, [str(relation)])
        return [SimpleNamespace(quoted=f'"{name}"', data_type=type_) for name, type_ in rows]


class Relation:
    """A table, as dbt writes it."""

    def __init__(self, schema: str, identifier: str) -> None:
        self._name = f'"{schema}"."{identifier}"'

    def __str__(self) -> str:
        return self._name

    render = __str__


class _Row(dict[str, Any]):
    """A row, by the name or the number of its columns."""

    def __getitem__(self, key: str | int) -> Any:
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


class _ReturnedError(Exception):
    """Ends a macro with a value, as dbt's `return` does."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def _return(value: Any) -> None:
    raise _ReturnedError(value)


def _fail(message: str) -> None:
    raise BuildFailedError(message)


@cache
def _template() -> jinja2.Template:
    return _compiled("\n".join((_MACROS / f"{name}.sql").read_text() for name in _FILES))


@cache
def _compiled(text: str) -> jinja2.Template:
    environment = jinja2.Environment(
        extensions=["jinja2.ext.do"],
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape((), default_for_string=False),  # never: it is SQL
    )
    return environment.from_string(text)
