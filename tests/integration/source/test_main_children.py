"""`python -m scripts.source check` looks at the list of the first parent that has landed."""

import io
from collections.abc import Iterator

import pytest

from local.ministack import MiniStack
from local.switchable import running
from scripts.errors import InvalidDataError, UnavailableError
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.source import __main__ as command
from tests.orders import DAY, EVENTS, Orders, shop

pytestmark = pytest.mark.integration


@pytest.fixture
def api() -> Iterator[Orders]:
    with running(shop()) as server:
        yield server


def test_the_first_parent_of_the_day_is_asked_for(
    api: Orders,
    store: Store,
    ministack: MiniStack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environ = {
        "LANDING_BUCKET": store.bucket,
        "SHOP_API_URL": api.url,
        "AWS_ENDPOINT_URL": ministack.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(command, "source_named", {"events": EVENTS}.__getitem__)

    with pytest.raises(UnavailableError, match="ingest orders"):
        command.check("events", DAY.isoformat())
    for content, raises in ((b"[]", True), (b'[{"id": 3}, {"id": 13}]', False)):
        store.put(raw_key("orders", DAY), io.BytesIO(content), "")
        if raises:
            with pytest.raises(InvalidDataError, match="no record whose list could be asked for"):
                command.check("events", DAY.isoformat())
    command.check("events", DAY.isoformat())
    assert {request.path for request in api.requests} == {"/orders/3/events"}
    shown = capsys.readouterr().out
    assert "records:       2\n" in shown
    assert "every record keeps it" in shown
    assert "key:           unique" in shown
