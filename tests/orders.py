"""An API of orders and the events of each order, and the sources that read it.

``python -m tests.orders <API> <S3> <bucket>`` lands the events of a day, so that it can be killed.
"""

import json
import random
import sys
import time
from dataclasses import replace
from datetime import date
from typing import Any

import boto3
import msgspec

from local.switchable import SwitchableServer
from local.switches import JSON, Answer, Request, Switches
from scripts.extract.extract import extract
from scripts.landing.store import Store
from scripts.settings import Endpoint, RunSettings
from sources.declaration import Api, BigInt, Parent, Source, page_number

DAY = date(2026, 1, 1)
ORDERS_COUNT, DELETED = 25, 13
SETTINGS = RunSettings(http_backoff=0.01, http_retries=1, read_timeout=2, total_timeout=30)
_SIZE = 2  # records per page

Orders = SwitchableServer[Switches]


class Order(msgspec.Struct):
    id: BigInt


class OrderRef(msgspec.Struct):
    order_id: BigInt


class Event(msgspec.Struct):
    id: int
    kind: str
    parent: OrderRef = msgspec.field(name="_parent")


API = Api(name="shop", paginator=page_number())
ORDERS = Source(api=API, name="orders", path="/orders", contract=Order)
PARENT = Parent(ORDERS, {"order_id": "id"}, on_missing="skip")
EVENTS = Source(
    api=API,
    name="events",
    path="/orders/{parent.order_id}/events",
    contract=Event,
    key=("_parent.order_id", "id"),
    parent=PARENT,
    references={"_parent.order_id": "orders"},
)


def shop(*, delay: float = 0.0) -> Orders:
    """Return the server. Each answer takes a random time up to `delay` seconds."""

    def answer(request: Request, _: Switches) -> Answer:
        time.sleep(random.uniform(0, delay))
        found = _records(request.path)
        if found is None:
            return Answer(status=404)
        start = (int(request.query["page"]) - 1) * _SIZE
        headers = {"Content-Type": JSON, "X-Total-Count": str(len(found))}
        return Answer(json.dumps(found[start : start + _SIZE], indent=1).encode(), headers=headers)

    return SwitchableServer(("127.0.0.1", 0), answer, Switches)


def events_of(order: int) -> list[dict[str, Any]]:
    """Return the events of an order. Some orders have none."""
    return [{"id": n, "kind": f"é{order}-{n}", "amount": n / 10} for n in range(order % 4)]


def expected() -> list[dict[str, Any]]:
    """Return the events as they land."""
    orders = [n for n in range(1, ORDERS_COUNT + 1) if n != DELETED]
    return [{"_parent": {"order_id": n}, **event} for n in orders for event in events_of(n)]


def with_parent(**changes: Any) -> Source:
    """Return the events with changes of their parent."""
    return replace(EVENTS, parent=replace(PARENT, **changes))


def _records(path: str) -> list[dict[str, Any]] | None:
    match path.strip("/").split("/"):
        case ["orders"]:
            return [{"id": n} for n in range(1, ORDERS_COUNT + 1)]
        case ["orders", order, "events"] if int(order) != DELETED:
            return events_of(int(order))
    return None


def main(url: str, s3: str, bucket: str) -> None:
    store = Store.of_session(boto3.Session(), bucket, endpoint_url=s3)
    extract(EVENTS, DAY, Endpoint(url), store, SETTINGS)


if __name__ == "__main__":
    main(*sys.argv[1:])
