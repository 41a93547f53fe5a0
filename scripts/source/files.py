"""Write the files of a source. Invariant: a file that exists is never overwritten."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from scripts.errors import InvalidInputError
from scripts.source.draft import Draft, class_name
from scripts.source.guess import written
from scripts.source.infer import contract_of
from sources.declaration.paths import Path as Place
from sources.declaration.paths import parts_of

ROOT = Path(__file__).parents[2]
_STAGING = "dbt/models/staging"
_CASTS = {bool: "boolean", int: "bigint", float: "numeric", str: "text"}
_OWN = {"day", "load_id", "is_latest", "is_published", "position", "payload"}
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
    """A column of the staging model: its name, the field it comes from, and its SQL."""

    name: str
    field: str
    expression: str


def write_files(draft: Draft, root: Path = ROOT) -> list[Path]:
    """Write declaration, staging model, raw table and tests. Return the files.

    Raises:
        InvalidInputError: one of the files exists.
    """
    name = draft.source.name
    context = _context(draft)
    staging = root / _STAGING
    made = {
        root / "sources" / f"{draft.source.api.name}.py": "declaration.py.j2",
        staging / f"stg_{name}.sql": "staging.sql.j2",
        staging / f"stg_{name}.yml": "staging.yml.j2",
    }
    for path in made:
        if path.exists():
            raise InvalidInputError(f"{path.relative_to(root)} exists: choose another name")
    templates = Environment(
        loader=PackageLoader("scripts.source"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=select_autoescape([]),  # Python, SQL and YAML: there is nothing to escape
    )
    for path, template in made.items():
        path.write_text(templates.get_template(template).render(context))
    return list(made)


def _context(draft: Draft) -> Mapping[str, Any]:
    source, record = draft.source, draft.records[0]
    contract = contract_of(class_name(source.name), draft.records)
    columns = _columns(draft)
    fields = {column.field: record[column.field] for column in columns}
    payload = json.dumps({name: value for name, value in record.items() if name in fields})
    raw_keys = [_column(name) for name in draft.key or ()]
    keys = dict(zip(raw_keys, [record[parts_of(name)[0]] for name in draft.key or ()], strict=True))
    row = {"position": 0, **keys, "payload": payload}
    expected = {c.name: fields[c.field] for c in columns}
    own = {"day": "2026-01-01", "load_id": 2, "is_latest": True, "is_published": False}
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
        "columns": columns,
        "key_names": [c.name for c in columns if (c.field,) in map(parts_of, draft.key or ())],
        "raw_keys": raw_keys,
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


def _columns(draft: Draft) -> list[Column]:
    """Return the columns: the fields that are one value of one type, or null, in every record."""
    columns: list[Column] = []
    for field, first in draft.records[0].items():
        types = {type(record.get(field)) for record in draft.records} - {type(None)}
        if types == {int, float}:
            types = {float}
        [kind] = types if len(types) == 1 else [dict]
        if kind not in _CASTS or not re.fullmatch(r"[\w@ $-]+", field) or first is None:
            continue
        name = _named(field, draft.source.name)
        if name in {column.name for column in columns}:
            continue
        text = f'{{{{ json_text("payload", "{field}") }}}}'
        columns.append(Column(name, field, f"cast({text} as {_CASTS[kind]})"))
    return columns


def _named(field: str, source: str) -> str:
    """Return the name of a column: snake case, and no word of SQL or of ours."""
    name = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field)).strip("_").lower()
    singular = class_name(source).lower()
    if name == "id" or name in _RESERVED | _OWN or not name or name[0].isdigit():
        return f"{singular}_{name}".rstrip("_")
    return name


def _column(name: Place) -> str:
    return re.sub(r"\W+", "_", "_".join(parts_of(name))).strip("_")


def _tuple(key: tuple[Place, ...] | None) -> str:
    if key is None:
        return "None"
    return "(" + ", ".join(json.dumps(k) if isinstance(k, str) else repr(k) for k in key) + ",)"
