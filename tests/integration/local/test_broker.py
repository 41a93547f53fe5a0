"""The broker of Celery workers: a real server on loopback that requires its password."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local.broker import broker, broker_url, configure_broker
from local.processes import is_listening
from local.state import StackState

pytestmark = pytest.mark.integration


def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broker")


@pytest.fixture(scope="module")
def state(folder: Path) -> Iterator[StackState]:
    """The state of a stack whose broker runs."""
    state = StackState()
    configure_broker(folder, state)
    process = broker(folder)
    process.start()
    process.wait_until(lambda: is_listening(state.ports.broker), 30)
    yield state
    process.stop()


def test_the_url_logs_in_and_another_password_is_refused(state: StackState) -> None:
    url = broker_url(state)
    with _client(url) as client:
        assert client.ping()
    for other in ("wrong", ""):
        with (
            _client(url.replace(state.secrets.broker, other)) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()


def test_it_listens_on_loopback_only_and_stores_nothing(state: StackState, folder: Path) -> None:
    process = broker(folder).process()
    assert process
    addresses = {c.laddr for c in process.net_connections("tcp") if c.status == "LISTEN"}
    assert addresses == {("127.0.0.1", state.ports.broker)}
    with _client(broker_url(state)) as client:
        client.set("key", "value")
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("appendonly") == {"appendonly": "no"}


def test_the_password_is_in_a_private_file_and_not_in_the_process_list(
    state: StackState, folder: Path
) -> None:
    process = broker(folder).process()
    assert process
    assert state.secrets.broker not in " ".join(process.cmdline())
    file = folder / "broker.conf"
    assert state.secrets.broker in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
