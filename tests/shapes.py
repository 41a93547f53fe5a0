"""A server with the shapes of widely used APIs: the first part of the path names the API.

Every list has 25 records in pages of 10. The shapes come from public documentation.
"""

import gzip
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from local.switchable import SwitchableServer
from local.switches import JSON, Answer, Request, Switches

COUNT, SIZE = 25, 10
TOKEN, SECRET, OTHER_TOKEN = "t0k3n-of-shapes", "s3cr3t-of-shapes", "an0ther"
Shapes = SwitchableServer[Switches]
_UUID = "{:08x}-0000-4000-8000-000000000000"


def shapes() -> Shapes:
    """Return the server, ready to serve."""
    return SwitchableServer(("127.0.0.1", 0), lambda request, _: serve(request), Switches)


def serve(request: Request) -> Answer:
    """Return the answer to a request."""
    name = request.path.split("/")[1]
    if name not in _ROUTES:
        return _answer({"message": "Not Found"}, 404)
    return _ROUTES[name](request)


def _answer(body: Any, status: int = 200, **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else _encoded(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(data, status, {"Content-Type": JSON, **named})


def _encoded(body: Any) -> bytes:
    """Return JSON. A text such as ``@1.10@`` becomes a number with these digits."""
    return re.sub(rb'"@([0-9.]+)@"', rb"\1", json.dumps(body).encode())


def _all(record: Callable[[int], dict[str, Any]]) -> list[dict[str, Any]]:
    return [record(i) for i in range(1, COUNT + 1)]


def _things() -> list[dict[str, Any]]:
    return _all(lambda i: {"id": i, "title": f"t{i}", "ratio": "@1.10@"})


def _page(items: list[Any], request: Request, name: str = "page") -> tuple[list[Any], int | None]:
    """Return the records of the page that is asked for, and the number of the next page."""
    page = int(request.query.get(name, 1))
    return items[(page - 1) * SIZE : page * SIZE], page + 1 if page * SIZE < COUNT else None


def _slice(items: list[Any], start: int, size: int = SIZE) -> tuple[list[Any], int | None]:
    end = start + size
    return items[start:end], end if end < COUNT else None


def _host(request: Request) -> str:
    return f"http://{request.headers['host']}"


def _body(request: Request) -> Any:
    return json.loads(request.body or b"{}")


def _is_bearer(request: Request, token: str = TOKEN) -> bool:
    return request.headers.get("authorization") == f"Bearer {token}"


def _github(request: Request) -> Answer:
    if not _is_bearer(request):
        return _answer({"message": "Bad credentials"}, 401)
    part, more = _page(_all(lambda i: {"id": 2**53 + i, "labels": []}), request)
    link = f'<{_host(request)}{request.path}?page={more}>; rel="next", <x?page=3>; rel="last"'
    return _answer(part, Link=link if more else "")


def _gitlab(request: Request) -> Answer:
    if request.headers.get("private-token") != TOKEN:
        return _answer({"message": "401 Unauthorized"}, 401)
    part, more = _page(_things(), request)
    return _answer(part, X_Next_Page=str(more or ""))


def _coingecko(request: Request) -> Answer:
    part, _ = _page(_all(lambda i: {"id": f"coin-{i}", "price": f"@{i}.10@"}), request)
    return _answer(part, Total=str(COUNT))


def _socrata(request: Request) -> Answer:
    start, size = int(request.query.get("$offset", 0)), int(request.query.get("$limit", SIZE))
    return _answer(_slice(_all(lambda i: {":id": f"row-{i}"}), start, size)[0])


def _nasa(request: Request) -> Answer:
    if request.query.get("api_key") != TOKEN:
        return _answer({"error": {"code": "API_KEY_MISSING"}}, 403)
    return _answer(_all(lambda i: {"date": f"2026-01-{i:02}"}))


def _stripe(request: Request) -> Answer:
    items = _all(lambda i: {"id": f"ch_{i:03}", "amount": i * 100})
    ids = [item["id"] for item in items]
    after = request.query.get("starting_after")
    part, more = _slice(items, ids.index(after) + 1 if after in ids else 0)
    return _answer({"object": "list", "has_more": more is not None, "data": part})


def _shopify(request: Request) -> Answer:
    part, more = _page(_all(lambda i: {"id": i, "total_price": "10.00"}), request, "page_info")
    link = f'<{_host(request)}{request.path}?limit=10&page_info={more}>; rel="next"'
    return _answer({"orders": part}, Link=link if more else "")


def _hubspot(request: Request) -> Answer:
    part, more = _slice(_all(lambda i: {"id": str(i)}), int(request.query.get("after", 0)))
    paging = {"paging": {"next": {"after": str(more), "link": f"{_host(request)}/x"}}}
    return _answer({"results": part, **(paging if more else {})})


def _salesforce(request: Request) -> Answer:
    *_, last = request.path.split("/")
    if last == "token":
        form = parse_qs(request.body.decode())
        if form.get("client_secret") != [SECRET]:
            return _answer({"error": "invalid_client"}, 400)
        return _answer({"access_token": TOKEN, "token_type": "Bearer"})
    if not _is_bearer(request):
        return _answer([{"errorCode": "INVALID_SESSION_ID"}], 401)
    start = int(last.split("-")[1]) if last.startswith("01g") else 0
    part, more = _slice(_all(lambda i: {"Id": f"001{i:015}", "Name": f"A{i}"}), start)
    following = {"nextRecordsUrl": f"/salesforce/query/01g-{more}"} if more else {}
    return _answer({"totalSize": COUNT, "done": not more, "records": part, **following})


def _slack(request: Request) -> Answer:
    if not _is_bearer(request):
        return _answer({"ok": False, "error": "invalid_auth"})
    items = _all(lambda i: {"id": f"C{i:08}", "name": f"c{i}"})
    part, more = _slice(items, int(request.query.get("cursor") or 0))
    metadata = {"next_cursor": str(more or "")}
    return _answer({"ok": True, "channels": part, "response_metadata": metadata})


def _notion(request: Request) -> Answer:
    if request.method != "POST":
        return _answer({"code": "invalid_request_url"}, 400)
    items = _all(lambda i: {"id": _UUID.format(i), "properties": {}})
    part, more = _slice(items, int(_body(request).get("start_cursor") or 0))
    following = {"next_cursor": more and str(more), "has_more": more is not None}
    return _answer({"results": part, **following})


def _airtable(request: Request) -> Answer:
    items = _all(lambda i: {"id": f"rec{i:014}", "fields": {"Name": f"n{i}"}})
    part, more = _slice(items, int(request.query.get("offset", 0)))
    return _answer({"records": part, **({"offset": str(more)} if more else {})})


def _analytics(request: Request) -> Answer:
    if request.method != "POST":
        return _answer({"error": {"code": 404}}, 404)
    items = _all(lambda i: {"dimensionValues": [{"value": f"202601{i:02}"}]})
    part, _ = _slice(items, int(_body(request).get("offset", 0)))
    return _answer({"dimensionHeaders": [{"name": "date"}], "rows": part, "rowCount": COUNT})


def _ads(_: Request) -> Answer:
    items = _all(lambda i: {"campaign": {"id": str(i)}})
    parts = (items[:SIZE], items[SIZE:])
    return _answer([{"results": part, "requestId": "r"} for part in parts])


def _weather(request: Request) -> Answer:
    if request.query.get("appid") != TOKEN:
        return _answer({"cod": 401, "message": "Invalid API key"}, 401)
    return _answer({"id": 2950159, "name": "Berlin", "main": {"temp": "@281.50@"}})


def _pokeapi(request: Request) -> Answer:
    part, more = _slice(_all(lambda i: {"name": f"p{i}"}), int(request.query.get("offset", 0)))
    following = f"{_host(request)}/pokeapi/pokemon?offset={more}" if more else None
    return _answer({"count": COUNT, "next": following, "previous": None, "results": part})


def _earthquakes(request: Request) -> Answer:
    if request.query.get("format") == "csv":
        rows = "".join(f"2026-01-01T00:00:00Z,1.{i},us{i}\n" for i in range(1, COUNT + 1))
        return _answer(f"time,latitude,id\n{rows}".encode(), Content_Type="text/csv")
    items = _all(lambda i: {"id": f"us{i}", "properties": {"mag": "@1.10@"}, "coordinates": [1.0]})
    start, size = int(request.query.get("offset", 1)) - 1, int(request.query.get("limit", COUNT))
    metadata = {"count": COUNT, "generated": 1}
    return _answer({"metadata": metadata, "features": items[start : start + size], "bbox": [1, 2]})


def _graphql(request: Request) -> Answer:
    if request.method != "POST":
        return _answer({"errors": [{"message": "Must provide query string."}]})
    after = _body(request).get("variables", {}).get("after")
    part, more = _slice(_all(lambda i: {"id": f"gid://Order/{i}"}), int(after or 0))
    page_info = {"hasNextPage": more is not None, "endCursor": str(more or COUNT)}
    return _answer({"data": {"orders": {"nodes": part, "pageInfo": page_info}}})


def _odata(request: Request) -> Answer:
    part, more = _slice(_things(), int(request.query.get("$skiptoken", 0)))
    link = {"@odata.nextLink": f"{_host(request)}/odata/items?$skiptoken={more}"} if more else {}
    return _answer({"@odata.context": "x", "value": part, **link})


def _contacts(request: Request) -> Answer:
    part, more = _page(_things(), request)
    number = int(request.query.get("page", 1))
    return _answer({"items": part, "page": number, "pages": 3, "has_more": bool(more)})


_ROUTES: dict[str, Callable[[Request], Answer]] = {
    "ads": _ads,
    "airtable": _airtable,
    "analytics": _analytics,
    "charges": lambda _: _answer(_all(lambda i: {"id": f"ch_{i}", "currency": "eur"})),
    "coingecko": _coingecko,
    "contacts": _contacts,
    "earthquakes": _earthquakes,
    "empty": lambda _: _answer(b"", 204),
    "github": _github,
    "gitlab": _gitlab,
    "graphql": _graphql,
    "hubspot": _hubspot,
    "missing": lambda _: _answer({"error": {"code": "NOT_FOUND"}}, 404),
    "nasa": _nasa,
    "ndjson": lambda _: _answer(b"".join(_encoded(i) + b"\n" for i in _things())),
    "notion": _notion,
    "odata": _odata,
    "pokeapi": _pokeapi,
    "salesforce": _salesforce,
    "shopify": _shopify,
    "slack": _slack,
    "socrata": _socrata,
    "stripe": _stripe,
    "weather": _weather,
    "zipped": lambda _: _answer(gzip.compress(_encoded(_things()))),
}
