"""A team's own sources take the place of the sample, with commands alone and no test edited.

Two APIs that differ in authentication, pagination, schedule and owner run side by side. When one of
them fails, it alone is reported.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.sinks import mails, slack_messages
from local.switchable import running
from local.switches import Switches
from tests.documents import run_readme
from tests.orders import ORDERS_COUNT, Orders, expected, shop
from tests.shapes import TOKEN, Shapes, shapes
from tests.stack import LocalStack, make_in, now, started_by, wait_for
from tests.tree import LINKED, ROOT, copied

pytestmark = [pytest.mark.e2e, pytest.mark.thorough, pytest.mark.timeout(2400)]

_SETTINGS = {
    "AIRFLOW_VAR_PIPELINE": json.dumps({"http_retries": 0}),
    "PIPELINE_ALLOW_PRIVATE_API": "true",
    "PIPELINE_TASK_RETRIES": "0",
}
_ITEMS = Path("sources") / "items.py"
_SHOP = '''"""Orders, and the events of each order."""

import msgspec

from sources.declaration import Api, BigInt, Parent, Source, page_number


class Order(msgspec.Struct):
    """One order."""

    id: BigInt


class OrderRef(msgspec.Struct):
    """The order of an event."""

    order_id: BigInt


class Event(msgspec.Struct):
    """One event of an order."""

    id: int
    kind: str
    parent: OrderRef = msgspec.field(name="_parent")


API = Api(name="shop", base_url="{url}", paginator=page_number())
ORDERS = Source(api=API, name="orders", path="/orders", contract=Order)
EVENTS = Source(
    api=API,
    name="events",
    path="/orders/{{parent.order_id}}/events",
    parent=Parent(ORDERS, {{"order_id": "id"}}, on_missing="skip"),
    contract=Event,
    key=("_parent.order_id", "id"),
)

SOURCES = (ORDERS, EVENTS)
'''
_MAKE = {"make": f"make {' '.join(LINKED)}"}


@pytest.fixture(scope="module")
def channels_api() -> Iterator[Shapes]:
    """An API with a cursor in its envelope and a bearer token."""
    with running(shapes()) as server:
        yield server


@pytest.fixture(scope="module")
def items_api() -> Iterator[Shapes]:
    """An API with links in its envelope and no login."""
    with running(shapes()) as server:
        yield server


@pytest.fixture(scope="module")
def shop_api() -> Iterator[Orders]:
    """An API of 25 orders and the events of each."""
    with running(shop()) as server:
        yield server


def _add(
    tree: Path, settings: dict[str, str], url: str, name: str
) -> subprocess.CompletedProcess[str]:
    return run_readme(
        "make source URL='https://api.example.com/v1/orders?limit=100' NAME=orders",
        tree,
        settings,
        replaced={
            "https://api.example.com/v1/orders?limit=100": url,
            "NAME=orders": f"NAME={name}",
            **_MAKE,
        },
    )


@pytest.fixture(scope="module")
def own(
    channels_api: Shapes,
    items_api: Shapes,
    shop_api: Orders,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LocalStack]:
    """A stack whose tree declares two sources by command and two manually, without the sample."""
    tree = copied(ROOT, tmp_path_factory.mktemp("own") / "tree")
    login = {"conn_type": "http", "password": TOKEN}
    settings = {**_SETTINGS, "AIRFLOW_CONN_CHANNELS_API": json.dumps(login)}

    def start(stack: LocalStack) -> subprocess.CompletedProcess[str]:
        stack.tree = tree
        for done in (
            _add(tree, settings, f"{channels_api.url}/slack/list?limit=10", "channels AUTH=bearer"),
            _add(tree, settings, f"{items_api.url}/odata/items", "items"),
            run_readme("make source REMOVE='posts earthquakes'", tree, settings, replaced=_MAKE),
        ):
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        text = (tree / _ITEMS).read_text()
        schedule = 'schedule="30 4 * * *", owner="items-team", paginator='
        (tree / _ITEMS).write_text(text.replace("paginator=", schedule, 1))
        (tree / "sources" / "shop.py").write_text(_SHOP.format(url=shop_api.url))
        return stack.make("run")

    with started_by(settings, start) as stack:
        yield stack
    shutil.rmtree(tree)


def test_the_main_job_runs_with_own_sources_alone(own: LocalStack) -> None:
    assert "the marts are fresh" in own.first_output
    assert own.first_output.count("25 received = 25 loaded + 0 rejected") == 3
    assert "posts" not in own.first_output.replace("transform_posts", "")
    loaded = (  # of the newest day, because a schedule may bring another one
        "select source, loaded from marts.fct_daily_loads"
        " where day = (select max(day) from marts.fct_daily_loads) order by 1"
    )
    assert own.marts(loaded) == [
        ("channels", 25),
        ("events", len(expected())),
        ("items", 25),
        ("orders", ORDERS_COUNT),
    ]
    inbox = own.folder / "inbox"
    assert (slack_messages(inbox), mails(inbox)) == ([], [])
    health = own.command("status")
    assert "healthy" in health.stdout.lower(), health.stdout


def test_children_follow_when_their_parents_have_landed(own: LocalStack, shop_api: Orders) -> None:
    shop_api.requests.clear()
    assert own.run_by_hand("ingest_orders", {"day": "2026-01-30"})[1] == "success"
    events = "select id, parent ->> 'order_id' from raw.events where day = '2026-01-30'"
    wanted = sorted((one["id"], str(one["_parent"]["order_id"])) for one in expected())
    wait_for(lambda: sorted(own.query(events)), wanted.__eq__, 240)
    lists = [request.path for request in shop_api.requests if request.path == "/orders"]
    assert len(lists) == -(-ORDERS_COUNT // 2), "the child does not ask for them again"


def test_each_api_has_its_own_schedule_owner_and_tag(own: LocalStack) -> None:
    dags = {name: own.airflow.dag(f"ingest_{name}") for name in ("channels", "items")}
    found = {
        name: (dag["timetable_summary"], dag["owners"], f"{name}_api" in str(dag["tags"]))
        for name, dag in dags.items()
        if dag
    }
    assert found == {
        "channels": ("0 0 * * *", ["data-team"], True),
        "items": ("30 4 * * *", ["items-team"], True),
    }


def test_an_api_that_fails_is_reported_alone_and_the_other_one_goes_on(
    own: LocalStack, items_api: Shapes
) -> None:
    since, day = now(), {"day": "2026-01-31"}
    items_api.switches = Switches(status=401)
    states = [own.run_by_hand(f"ingest_{name}", day)[1] for name in ("items", "channels")]
    own.transforms_settled(since)
    items_api.switches = Switches()
    assert states == ["failed", "success"]
    loaded = "select source, loaded from marts.fct_daily_loads where day = '2026-01-31'"
    assert own.marts(loaded) == [("channels", 25)]
    inbox = own.folder / "inbox"
    subjects = [message["body"]["text"] for message in slack_messages(inbox)]
    assert len(subjects) == 1, subjects
    assert "ingest_items" in subjects[0]
    assert "channels" not in json.dumps(slack_messages(inbox)) + json.dumps(mails(inbox))
    assert len(mails(inbox)) == 1


def test_the_tests_pass_as_they_are(own: LocalStack) -> None:
    (own.tree / "sources" / "shop.py").unlink()  # `tests/declared` wants a staging model of each
    done = make_in(own.tree, "test", "PYTEST_ARGS=-m unit")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "a copy with exactly the sample" in done.stdout
