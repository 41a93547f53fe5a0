"""The S3 and SQS stand-in: one process on loopback, with a queue at the URL that it announces."""

from pathlib import Path

import pytest

from local.ministack import LOGIN, REGION, MiniStack

pytestmark = pytest.mark.integration


def test_it_listens_on_loopback_only(ministack: MiniStack) -> None:
    process = ministack.managed.process()
    assert process
    addresses = {
        (connection.laddr.ip, connection.laddr.port)
        for one in [process, *process.children(recursive=True)]
        for connection in one.net_connections("tcp")
        if connection.status == "LISTEN"
    }
    assert addresses == {("127.0.0.1", ministack.port)}


def test_starting_it_again_keeps_the_running_process(ministack: MiniStack) -> None:
    before = ministack.managed.process()
    assert before
    ministack.start()
    assert ministack.managed.process() == before


def test_the_queue_is_at_the_url_that_is_known_before_the_start(ministack: MiniStack) -> None:
    queue = "queue-of-a-url"
    assert ministack.bootstrap("landing-of-a-url", queue) == ministack.queue_url(queue)
    stopped = MiniStack(ministack.port, Path("/nowhere"))
    assert stopped.queue_url(queue) == ministack.queue_url(queue)


def test_the_session_has_the_stand_ins_credentials_and_not_the_developers(
    ministack: MiniStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-developer")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-1")
    session = ministack.session()
    credentials = session.get_credentials()
    assert credentials
    assert (credentials.access_key, credentials.secret_key) == (LOGIN, LOGIN)
    assert session.region_name == REGION


def test_its_files_are_below_its_folder(ministack: MiniStack) -> None:
    client = ministack.session().client("s3", endpoint_url=ministack.endpoint)
    ministack.bootstrap("landing-of-files")
    client.put_object(Bucket="landing-of-files", Key="raw/a.json", Body=b"kept on the disk")
    stored = [path for path in (ministack.folder / "ministack").rglob("*") if path.is_file()]
    assert any(b"kept on the disk" in path.read_bytes() for path in stored)
