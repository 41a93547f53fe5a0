"""Write the files of a source. Invariant: a file that exists is never overwritten."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from scripts.errors import InvalidDataError, InvalidInputError
from scripts.source.draft import Draft, class_name
from scripts.source.guess import written
from scripts.source.infer import contract_of
from sources import Source
from sources.declaration.discover import discover
from sources.declaration.paths import Path as Place

ROOT = Path(__file__).parents[2]
_STAGING = "dbt/models/staging"
# Words that SQL does not take as the name of a column.
_RESERVED = {
    *("all", "and", "any", "array", "as", "asc", "case", "cast", "check", "column", "date", "desc"),
    *("default", "distinct", "do", "else", "end", "false", "for", "from", "group", "having", "in"),
    *("into", "key", "limit", "name", "not", "null", "offset", "on", "or", "order", "primary"),
    *("references", "select", "state", "status", "table", "then", "time", "timestamp", "to"),
    *("true", "type", "union", "unique", "user", "using", "value", "values", "when", "where"),
}


@dataclass(frozen=True)
class Column:
    """A column of the staging model: its name, the field it comes from, and the raw column."""

    name: str
    field: str
    raw: str

    @property
    def expression(self) -> str:
        """The column of the raw table, in quotes if SQL needs them."""
        return f'"{self.raw}"' if self.raw in _RESERVED else self.raw


def write_files(draft: Draft, root: Path = ROOT) -> list[Path]:
    """Write declaration, staging model, raw table and tests. Return the files.

    Raises:
        InvalidInputError: one of the files exists.
        InvalidDataError: the declaration, which is written, cannot be used.
    """
    name = draft.source.name
    declaration = root / "sources" / f"{draft.source.api.name}.py"
    staging = {
        root / _STAGING / f"stg_{name}.sql": "staging.sql.j2",
        root / _STAGING / f"stg_{name}.yml": "staging.yml.j2",
    }
    for path in (declaration, *staging):
        if path.exists():
            raise InvalidInputError(f"{path.relative_to(root)} exists: choose another name")
    templates = Environment(
        loader=PackageLoader("scripts.source"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=select_autoescape([]),  # Python, SQL and YAML: there is nothing to escape
    )
    text = templates.get_template("declaration.py.j2").render(_declaration(draft))
    declaration.write_text(text)
    context = _staging(draft, _declared(declaration, name))
    for path, template in staging.items():
        path.write_text(templates.get_template(template).render(context))
    return [declaration, *staging]


def _declared(path: Path, name: str) -> Source:
    """Return the source of a new file."""
    found = discover("sources", path.parent)
    if problem := found.problems.get(f"sources/{path.name}"):
        raise InvalidDataError(f"{problem}. Edit the file: the rest of it may be right")
    return found.sources[name]


def _declaration(draft: Draft) -> Mapping[str, Any]:
    source = draft.source
    contract = contract_of(class_name(source.name), draft.records)
    auth = source.api.auth
    return {
        "name": source.name,
        "api": source.api.name,
        "class_name": class_name(source.name),
        "contract": contract.classes,
        "imports": contract.imports,
        "base_url": json.dumps(source.api.base_url),
        "paginator": draft.paginator,
        "auth": written(auth) if auth else "",
        "path": json.dumps(source.path),
        "arguments": list(_arguments(draft)),
        "words": _words(draft, contract.classes),
        "key": _tuple(draft.key),
    }


def _staging(draft: Draft, source: Source) -> Mapping[str, Any]:
    record, columns = draft.records[0], _columns(source)
    row = {"position": 0, **{column.raw: record.get(column.field) for column in columns}}
    expected = {column.name: record.get(column.field) for column in columns}
    own = {"day": "2026-01-01", "load_id": 2, "is_latest": True, "is_published": False}
    return {
        "name": source.name,
        "columns": columns,
        "raw_columns": source.columns,
        "key_names": [column.name for column in columns if column.raw in source.key_columns],
        "old_row": json.dumps({"load_id": 1, **row}),
        "new_row": json.dumps({"load_id": 2, **row}),
        "expected": json.dumps({**expected, **own}),
    }


def _arguments(draft: Draft) -> list[str]:
    """Return the arguments of the source that differ from the defaults."""
    source, found = draft.source, []
    for name in ("data_selector", "is_single_record", "total_path", "format"):
        value = getattr(source, name)
        if value not in ("", False, None, "json"):
            text = json.dumps(value) if isinstance(value, str) else repr(value)
            found.append(f"{name}={text}")
    return found


def _words(draft: Draft, contract: str) -> list[str]:
    """Return what the declaration imports."""
    auth = draft.source.api.auth
    kinds = [type(draft.source.pages), *([type(auth)] if auth else [])]
    big = ["BigInt"] if "BigInt" in contract else []
    return ["Api", *big, "Source", *sorted(kind.__name__ for kind in kinds)]


def _columns(source: Source) -> list[Column]:
    """Return the columns of the staging model: those of the raw table that have one value."""
    prefix = class_name(source.name).lower()
    return [
        Column(
            f"{prefix}_{column.name}" if column.name in {"id", *_RESERVED} else column.name,
            column.parts[0],
            column.name,
        )
        for column in source.columns
        if column.type != "jsonb" and len(column.parts) == 1
    ]


def _tuple(key: tuple[Place, ...] | None) -> str:
    if key is None:
        return "None"
    return "(" + ", ".join(json.dumps(k) if isinstance(k, str) else repr(k) for k in key) + ",)"
