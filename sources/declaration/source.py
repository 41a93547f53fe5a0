"""The type of a source. Invariant: a declaration that cannot work fails when it is declared."""

import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from operator import itemgetter
from typing import Any, Literal

import msgspec

from sources.declaration.api import Api, check_name, check_paginator
from sources.declaration.columns import Column, columns_of, key_columns
from sources.declaration.day import Bounds, Changes, Day, Snapshot, Window, check_placeholders
from sources.declaration.declaration_error import DeclarationError
from sources.declaration.paginators import Paginator, cursor, offset, page_number
from sources.declaration.parent import Parent, named_fields
from sources.declaration.part_sizes import Parts, hours, parents
from sources.declaration.paths import Path, check_path

# The range of PostgreSQL's bigint, for an integer inside another field. A field itself has it anywa
BigInt = typing.Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

_NO_DAY = Snapshot()  # the default, which a child replaces with the day of its parent
_SAMPLE_DAYS = (date(2026, 1, 30), date(2026, 1, 31), date(2026, 3, 31), date(2027, 1, 31))


@dataclass(frozen=True, kw_only=True)
class Source:
    """A list that an API serves, the requests that fetch it, and the contract of its records.

    Attributes:
        api: the API that serves it.
        name: lower-case identifier of the landing prefix, the raw table and the ingest DAG.
        path: path of the list below the API's base URL. It may have a query.
        contract: the record type: required fields, types and ranges of one record.
        key: fields that identify a record within one object, or None: its position alone.
        method: GET, or POST for a query in the body.
        params: query parameters of every page.
        json: JSON body of every page, for POST.
        day: what a day of it is: the whole list, or what is asked for by the bounds of the day. A
            source with a parent has the day of its parent.
        parent: the source for each of whose records this list is asked for, or None.
        parts: how a day that is too large for one run is cut: ``hours(3)``, ``pages(100)`` or
            ``parents(50)``. None: it is fetched at once.
        paginator: how its pages follow each other. None: as the API's.
        data_selector: the place of the records in an answer. Empty: the answer itself is the array.
        is_single_record: whether a JSON object stands there instead of an array: one record.
        total_path: the place of the number of records over all pages.
        format: ``json``, ``ndjson`` (one record a line) or ``csv`` (a header line, all values are
            texts). A file compressed with gzip is recognised.
        empty_statuses: statuses besides 204 that mean an empty list, such as 404.
        allows_empty: whether an empty list is a valid answer.
        on_new_field: ``evolve`` keeps unknown fields in the column extra, ``freeze`` refuses the
            object.
        on_duplicate: of different records with one key, ``reject`` all or keep the ``last``. None:
            the last of changes, else reject.
        references: by the place of a field, the source whose key it holds, such as
            ``{"userId": "users"}``. An erasure follows it.
        deadline_hours: after the midnight at which a day can be asked for, until it is late. None:
            landing_deadline_hours.
    """

    api: Api
    name: str
    path: str
    contract: type[msgspec.Struct]
    key: tuple[Path, ...] | None = ("id",)
    method: Literal["GET", "POST"] = "GET"
    params: Mapping[str, str | int] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    day: Day = _NO_DAY
    parent: Parent | None = None
    parts: Parts | None = None
    paginator: Paginator | None = None
    data_selector: Path = ""
    is_single_record: bool = False
    total_path: Path | None = None
    format: Literal["json", "ndjson", "csv"] = "json"
    empty_statuses: tuple[int, ...] = ()
    allows_empty: bool = False
    on_new_field: Literal["evolve", "freeze"] = "evolve"
    on_duplicate: Literal["reject", "last"] | None = None
    references: Mapping[Path, str] = field(default_factory=dict)
    deadline_hours: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.api, Api):
            raise DeclarationError("api", f"expected an Api, got {self.api!r}")
        check_name(self.name)
        if self.name.endswith("_rows"):
            raise DeclarationError(
                "name", f"the end _rows belongs to raw tables, got {self.name!r}"
            )
        check_paginator(self.pages)
        self._check_parent()
        if self.on_duplicate is None:
            default = "last" if isinstance(self.day, Changes) else "reject"
            object.__setattr__(self, "on_duplicate", default)
        self._check_request()
        self._check_answer()
        if not (isinstance(self.contract, type) and issubclass(self.contract, msgspec.Struct)):
            raise DeclarationError("contract", f"expected a msgspec.Struct: {self.contract!r}")
        if self.key is not None and (isinstance(self.key, str) or not self.key):
            raise DeclarationError("key", 'expected a tuple of fields such as ("id",), or None')
        _ = self.key_fields

    @property
    def pages(self) -> Paginator:
        """The paginator: its own, else the API's."""
        return self.paginator or self.api.paginator

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the raw table: of each field of the contract, and of a key inside one."""
        return columns_of(self.contract, self.key or ())

    @cached_property
    def key_fields(self) -> tuple[Column, ...]:
        """The columns of the key, none without a key."""
        return key_columns(self.columns, self.contract, self.key or ())

    @property
    def key_columns(self) -> dict[str, str]:
        """The columns of the key in the raw table, with their PostgreSQL types."""
        return {column.name: column.type for column in self.key_fields}

    @cached_property
    def key_in(self) -> Callable[[tuple[Any, ...]], Any]:
        """A function from the values of a row's columns to its key: a value, or a tuple of them."""
        places = [self.columns.index(column) for column in self.key_fields]
        return itemgetter(*places) if places else lambda _: None

    @cached_property
    def bounds(self) -> frozenset[str]:
        """Which bounds of a day a request names: ``start``, ``end``, both or none."""
        params = {"start": self._window.start_param, "end": self._window.end_param}
        found = {bound for bound, param in params.items() if param}
        for place, text in self._texts():
            found |= check_placeholders(place, text, self.day, is_free=place.startswith("json"))
        return frozenset(found)

    @property
    def accepts_empty_answer(self) -> bool:
        """Whether one answer may have no record. A parent may have no children."""
        return self.allows_empty or self.parent is not None

    @property
    def param_names(self) -> set[str]:
        """The names of the declared query parameters."""
        own = (self._window.start_param, self._window.end_param)
        return {*self.api.params, *self.params, *filter(None, own)}

    @property
    def _window(self) -> Window:
        return self.day if isinstance(self.day, Window) else Window()

    def _texts(self) -> Iterator[tuple[str, str]]:
        """Yield each text of the request with its place in the declaration."""
        yield "path", self.path
        yield from ((f"params.{name}", str(value)) for name, value in self.params.items())
        yield from _texts_in("json", self.json)

    def _check_parent(self) -> None:
        if not isinstance(self.parent, Parent | None):
            raise DeclarationError("parent", f"expected a Parent, got {self.parent!r}")
        found = [named_fields(place, text, self.parent) for place, text in self._texts()]
        if self.parent is None:
            return
        source, names = (
            self.parent.source,
            " or ".join(f"{{parent.{n}}}" for n in self.parent.fields),
        )
        if not isinstance(source, Source):
            raise DeclarationError("parent.source", f"expected a Source, got {source!r}")
        if source.api != self.api:
            raise DeclarationError("parent.source", f"{source.name} belongs to another API")
        if not any(found):
            raise DeclarationError("parent", f"the request does not name it: write {names}")
        self._take_day_of(source)

    def _take_day_of(self, source: "Source") -> None:
        """Have the day of the parent, but not its parameters: the request is another one."""
        day = source.day
        if isinstance(day, Window):
            day = replace(day, start_param=None, end_param=None)
        if self.day is not _NO_DAY and self.day != day:
            raise DeclarationError("day", f"leave it out: it is that of the parent {source.name}")
        object.__setattr__(self, "day", day)

    def _check_request(self) -> None:
        if not self.path.startswith("/"):
            raise DeclarationError("path", f"expected a path that begins with /, got {self.path!r}")
        _one_of("method", self.method, ("GET", "POST"))
        if self.json is not None and self.method != "POST":
            raise DeclarationError("json", 'a body needs method="POST"')
        if self._pages_in_body and self.method != "POST":
            raise DeclarationError("paginator", 'a value in the body needs method="POST"')
        self._check_day()
        self._check_parts()

    def _check_day(self) -> None:
        if not isinstance(self.day, Snapshot | Window):
            raise DeclarationError("day", f"expected Window() or another, got {self.day!r}")
        if self.day.kind == "window" and "start" not in self.bounds and self.parent is None:
            raise DeclarationError(
                "day", "the request does not name the day: give start_param, or {window.start}"
            )
        if self.day.kind == "changes" and self.key is None:
            raise DeclarationError("key", "day=Changes() needs one: the latest version is current")
        declared = {*self.api.params, *self.params}
        if twice := {self._window.start_param, self._window.end_param} & declared:
            raise DeclarationError("day", f"params also has {twice.pop()!r}")
        asked = {self._asked(self._window.bounds(day)) for day in _SAMPLE_DAYS}
        if self.bounds and len(asked) < len(_SAMPLE_DAYS):
            raise DeclarationError("day.format", "the requests of two days would be the same")

    def _check_parts(self) -> None:
        if not isinstance(self.parts, Parts | None):
            raise DeclarationError("parts", f"expected hours(3) or another, got {self.parts!r}")
        if isinstance(self.parts, parents) is not (
            self.parts is not None and self.parent is not None
        ):
            raise DeclarationError("parts", "parents(n) is for a source with a parent, and only it")
        if isinstance(self.parts, hours):
            pieces = self._window.hours_of(_SAMPLE_DAYS[0], self.parts.count)
            is_bounded = self.bounds == {"start", "end"}
            if not is_bounded or len(set(map(self._asked, pieces))) < len(pieces):
                raise DeclarationError(
                    "parts", "hours(n) needs a window with both bounds, in a format with hours"
                )

    def _asked(self, bounds: Bounds) -> str:
        """Return all that differs in the requests for two pairs of bounds."""
        window = self._window
        texts = [window.filled(text, bounds) for _, text in self._texts()]
        return repr((texts, window.params(bounds)))

    def _check_answer(self) -> None:
        check_path("data_selector", self.data_selector, takes_star=True)
        check_path("total_path", self.total_path)
        for path, target in self.references.items():
            check_path("references", path)
            check_name(target)
        _one_of("format", self.format, ("json", "ndjson", "csv"))
        _one_of("on_new_field", self.on_new_field, ("evolve", "freeze"))
        _one_of("on_duplicate", self.on_duplicate, ("reject", "last"))
        if self.format != "json" and (self.data_selector or self.is_single_record):
            raise DeclarationError("data_selector", f"a {self.format} answer has no fields")
        if self.empty_statuses and not self.accepts_empty_answer:
            raise DeclarationError("empty_statuses", "an empty list needs allows_empty=True")

    @property
    def _pages_in_body(self) -> bool:
        names = ("cursor_body_path", "offset_body_path", "limit_body_path", "page_body_path")
        return isinstance(self.pages, cursor | offset | page_number) and any(
            getattr(self.pages, name, None) is not None for name in names
        )


def _texts_in(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        yield from _texts_in(f"{place}.{name}", inner)
    for inner in value if isinstance(value, list | tuple) else ():
        yield from _texts_in(place, inner)


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise DeclarationError(name, f"expected {' or '.join(allowed)}, got {value!r}")
