"""A proposal for a source: what was found at a URL, and what has to be decided by a person."""

import re
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from scripts.errors import InvalidDataError, InvalidInputError
from scripts.extract.answers import open_answer
from scripts.extract.pages import fetch_pages
from scripts.landing.json_array import Batch
from scripts.settings import Endpoint, RunSettings
from scripts.source.guess import SINGLE, first_facts, proven, tried, written
from scripts.source.infer import TAKEN
from scripts.source.survey import Record, proposed_key, survey, total_place
from sources import Source
from sources.declaration import Api, api_key, bearer, http_basic
from sources.declaration.auth import Auth
from sources.declaration.paths import Path, shown_path

_SAMPLE = 500  # records, from which key and contract are inferred
_NO_OTHER_PAGE = "nothing brought another page: single_page(). Is the answer the whole list?"
_NOT_REACHED = "there is a next page, but no proposal reached it: declare the paginator by hand"
Format = Literal["json", "ndjson", "csv"]


class _Anything(msgspec.Struct):
    """A contract that every record keeps."""


@dataclass
class Draft:
    """A source that works for its first pages, and notes about what is not known."""

    source: Source
    records: list[Record]
    key: tuple[Path, ...] | None
    notes: list[str] = field(default_factory=list)

    @property
    def paginator(self) -> str:
        """The paginator as it is declared."""
        return written(self.source.pages)


def auth_of(text: str) -> Auth | None:
    """Read ``bearer``, ``basic``, ``header:NAME``, ``query:NAME`` or nothing."""
    kind, _, name = text.partition(":")
    if kind in ("header", "query") and name:
        return api_key(name, "header" if kind == "header" else "query")
    if text in ("", "bearer", "basic"):
        return {"": None, "bearer": bearer(), "basic": http_basic()}[text]
    raise InvalidInputError(
        f"--auth: expected bearer, basic, header:NAME or query:NAME, got {text!r}"
    )


def drafted(
    url: str, name: str, auth: Auth | None, endpoint: Endpoint, day: date, settings: RunSettings
) -> Draft:
    """Look at a URL, and propose a source of this name.

    Args:
        url: the URL of the list, with its query.
        name: of the source and of its API.
        auth: how the API knows us.
        endpoint: the scheme and host of the URL, with the secrets of the API's connection.
        day: the day to ask for.
        settings: timeouts and limits.

    Raises:
        InvalidDataError: the answer has no records that the pipeline can read.
        PermanentError: the name or the URL is wrong, or a secret is missing.
        UnavailableError: the API did not answer as expected.
    """
    parts = urlsplit(url)
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    api = Api(name=name, base_url=endpoint.url, paginator=SINGLE, auth=auth)
    bare = Source(api=api, name=name, path=path, contract=_Anything, key=None)
    content_type, body = _body(bare, endpoint, day, settings)
    source, records, notes = _with_records(bare, content_type, body)
    draft = Draft(source, records[:_SAMPLE], proposed_key(records), notes)
    if not source.is_single_record:
        _propose_pages(draft, endpoint, day, settings)
    if draft.key is None:
        notes.append("no field identifies a record: key=None. Duplicates will not be found")
    return draft


def _body(
    source: Source, endpoint: Endpoint, day: date, settings: RunSettings
) -> tuple[str, bytes]:
    """Return content type and body of the first answer."""
    with closing(fetch_pages(endpoint, source, day, settings)) as pages:
        return next(pages).whole()


def _with_records(
    bare: Source, content_type: str, body: bytes
) -> tuple[Source, list[Record], list[str]]:
    """Return the source with the place and format of its records, the records, and notes."""
    try:
        found = survey(msgspec.json.decode(body))
    except msgspec.MsgspecError:
        kind: Format = "csv" if "csv" in content_type or not body.startswith(b"{") else "ndjson"
        source = replace(bare, format=kind)
        records = [] if body.lstrip().startswith(b"<") else _lines(source, body)
        if not records:
            raise InvalidDataError(
                f"{bare.path}: expected records as JSON, NDJSON or CSV, got {body[:40]!r}"
            ) from None
        return source, records, []
    if not found:
        raise InvalidDataError(f"{bare.path}: no array of objects, and no object, in the answer")
    best, *others = found
    source = replace(bare, data_selector=best.selector, is_single_record=best.is_single_record)
    notes = [f"another array: {shown_path(other.selector)}" for other in others]
    if best.is_single_record:
        notes.append("no array of objects: the answer itself is taken as one record")
        notes += [
            f"{name!r} is an empty list: if the records belong there, name a URL that has some"
            for name, value in best.records[0].items()
            if value == []
        ]
    return source, best.records, notes


def _lines(source: Source, body: bytes) -> list[Record]:
    answer = open_answer(source, [body], len(body) + 1)
    records: list[Record] = []
    for batch in answer.records():
        if isinstance(batch, Batch):
            records += msgspec.json.decode(batch.text, type=list[dict[str, Any]])
    return records


def _propose_pages(draft: Draft, endpoint: Endpoint, day: date, settings: RunSettings) -> None:
    """Set the paginator that is proved by another page, and the total if it is right."""
    source, notes = draft.source, draft.notes
    proof = proven(source, endpoint, day, settings)
    if proof is None:
        is_whole = tried(source, endpoint, day, settings)
        notes.append(_NO_OTHER_PAGE if is_whole else _NOT_REACHED)
    else:
        draft.source = source = replace(source, paginator=proof.paginator)
        end = "the list ended there" if proof.is_ended else "there are more"
        notes.append(
            f"{written(proof.paginator)}: {proof.pages} pages, {proof.rows} records, {end}"
        )
    first = first_facts(source, endpoint, day, settings)
    place = total_place(first.skeleton, first.rows)
    if place is not None and proof is not None and proof.is_ended:
        with_total = replace(source, total_path=place)
        if tried(with_total, endpoint, day, settings):
            draft.source = with_total
    elif place is not None:
        notes.append(f"{shown_path(place)} may be the total: declare it as total_path")


def class_name(name: str) -> str:
    """Return the name of the contract's class: Order for ``orders``."""
    words = "".join(word.capitalize() for word in re.split("_+", name))
    singular = words.removesuffix("s") if not words.endswith("ss") else words
    return f"{singular}Record" if singular in TAKEN else singular
