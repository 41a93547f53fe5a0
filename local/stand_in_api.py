"""A stand-in for the public APIs of the sample that can fail on demand.

Invariant: without a switch it behaves like the public APIs. It serves ``/posts``, ``/comments`` and
``/users`` (and ``/<resource>/<id>``) with the same paging and ETags, and the earthquakes of any
days. It generates any number of records and streams them. ``/healthz`` always succeeds.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from local.sample_data import Sample
from local.sample_earthquakes import Earthquakes
from local.switchable import SwitchableServer
from local.switches import JSON, Answer, Request, Switches
from scripts.cli import run_cli

RESOURCES = ("posts", "comments", "users")
EARTHQUAKES = "/fdsnws/event/1/query"
_BLOCK_BYTES = 1 << 16
_PAGE_ROWS = 10


class ApiSwitches(Switches, frozen=True, forbid_unknown_fields=True):
    """The faults, and changes to the data. A change affects every request while it is set.

    Attributes:
        posts: number of posts, overrides the start value.
        seed: seed, overrides the start value.
        edited: fields that replace or extend those of a post, by post id.
        deleted: ids of posts that are left out.
        corrected: properties that replace those of an earthquake, by id.
        unknown: ids of earthquakes that are left out.
    """

    posts: int | None = None
    seed: int | None = None
    edited: dict[int, dict[str, Any]] = msgspec.field(default_factory=dict)
    deleted: list[int] = msgspec.field(default_factory=list)
    corrected: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    unknown: list[str] = msgspec.field(default_factory=list)


def stand_in(
    posts: int, seed: int, host: str = "127.0.0.1", port: int = 0
) -> SwitchableServer[ApiSwitches]:
    """Return a server of `posts` posts, ready to serve. Port 0 selects a free port."""

    def app(request: Request, switches: ApiSwitches) -> Answer:
        seed_now = seed if switches.seed is None else switches.seed
        if request.path == EARTHQUAKES:
            known = Earthquakes(seed_now, switches.corrected, switches.unknown)
            return _earthquakes(request, known)
        posts_now = posts if switches.posts is None else switches.posts
        return _answer(request, Sample(posts_now, seed_now, switches.edited, switches.deleted))

    return SwitchableServer((host, port), app, ApiSwitches)


def _answer(request: Request, sample: Sample) -> Answer:
    resource, _, number = request.path.strip("/").partition("/")
    if resource == "healthz":
        return Answer(b'{"status": "ok"}')
    if request.method != "GET" or resource not in RESOURCES:
        return Answer(status=404)
    etag = _etag(request, sample)
    if request.headers.get("if-none-match") == etag:
        return Answer(b"", 304, {"ETag": etag})
    answer = _one(resource, number, sample) if number else _list(request, resource, sample)
    return Answer(answer.body, answer.status, {**answer.headers, "ETag": etag})


def _earthquakes(request: Request, known: Earthquakes) -> Answer:
    query = request.query
    try:
        start, end = (_moment(query[name]) for name in ("starttime", "endtime"))
        found = known.between(start, end, float(query.get("minmagnitude", 0)))
    except (KeyError, ValueError):
        return Answer(b"Error 400: Bad Request", 400, {"Content-Type": "text/plain"})
    metadata = {"generated": int(time.time() * 1000), "status": 200, "count": len(found)}
    body = {"type": "FeatureCollection", "metadata": metadata, "features": found}
    return Answer(msgspec.json.encode(body))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _etag(request: Request, sample: Sample) -> str:
    # Hashes the inputs of the answer, because hashing the answer would generate it twice.
    inputs = msgspec.json.encode((request.path, request.query, sample))
    return f'W/"{hashlib.sha256(inputs).hexdigest()[:32]}"'


def _one(resource: str, number: str, sample: Sample) -> Answer:
    with suppress(ValueError):
        if int(number) in sample.ids(resource):
            return Answer(_pretty(sample.record(resource, int(number))))
    return Answer(status=404)


def _list(request: Request, resource: str, sample: Sample) -> Answer:
    ids, query, headers = sample.ids(resource), request.query, {"Content-Type": JSON}
    if "_page" in query:
        page, limit = _number(query, "_page", 1), _number(query, "_limit", _PAGE_ROWS)
        headers["X-Total-Count"] = str(len(ids))
        headers["Link"] = _links(request, page, limit, len(ids))
        ids = ids[(page - 1) * limit : page * limit]
    elif "_limit" in query:
        headers["X-Total-Count"] = str(len(ids))
        ids = ids[: _number(query, "_limit", _PAGE_ROWS)]
    return Answer(_array(sample.record(resource, i) for i in ids), headers=headers)


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    return max(int(text), 1) if text.isdecimal() else default


def _links(request: Request, page: int, limit: int, total: int) -> str:
    last = -(-total // limit)
    if page > last or last == 1:
        return ""
    pages = {"first": 1, "prev": page - 1, "next": page + 1, "last": last}
    base = f"http://{request.headers.get('host', '')}{request.path}"
    return ", ".join(
        f'<{base}?_page={number}&_limit={limit}>; rel="{rel}"'
        for rel, number in pages.items()
        if 1 <= number <= last
    )


def _pretty(record: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2)


def _array(records: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """Yield a pretty-printed array in blocks, formatted like ``json.dumps(list, indent=2)``."""
    block, separator = bytearray(b"["), b"\n  "
    for record in records:
        block += separator + _pretty(record).replace(b"\n", b"\n  ")
        separator = b",\n  "
        if len(block) >= _BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block) + (b"\n]" if separator.startswith(b",") else b"]")


def main(
    port: Annotated[int, typer.Option(help="port to listen on, 0 selects a free port")] = 0,
    posts: Annotated[int, typer.Option(min=0, help="number of posts")] = 100,
    seed: Annotated[int, typer.Option(help="seed of the generated posts")] = 1,
    host: Annotated[str, typer.Option(help="address to bind")] = "127.0.0.1",
) -> None:
    """Serve the sample API until stopped."""
    with stand_in(posts, seed, host, port) as server, suppress(KeyboardInterrupt):
        typer.echo(f"listening on {server.url}")
        server.serve_forever()


if __name__ == "__main__":
    run_cli(main)
