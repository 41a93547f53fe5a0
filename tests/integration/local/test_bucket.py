"""The landing zone of the stand-in: creating it is idempotent, and it notifies of new objects."""

from typing import Any

import pytest

from local import bucket as module
from local.bucket import QUEUE, create_landing
from local.ministack import LOGIN, REGION, MiniStack

pytestmark = pytest.mark.integration


def _create(ministack: MiniStack, bucket: str, queue: str | None = None) -> str | None:
    return create_landing(ministack.session(), bucket, queue, endpoint_url=ministack.endpoint)


def _client(ministack: MiniStack, service: Any) -> Any:
    return ministack.session().client(service, endpoint_url=ministack.endpoint)


def _notified(ministack: MiniStack, url: str | None) -> str:
    """Return the text of all messages in the queue."""
    sqs = _client(ministack, "sqs")
    texts = []
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            texts.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return "".join(texts)


def test_creating_twice_changes_nothing(ministack: MiniStack) -> None:
    s3, name = _client(ministack, "s3"), "landing-twice"
    first = _create(ministack, name, "queue-twice")
    s3.put_object(Bucket=name, Key="raw/posts/2026-01-31.json", Body=b"[]")
    configured = s3.get_bucket_notification_configuration(Bucket=name)["QueueConfigurations"]

    assert _create(ministack, name, "queue-twice") == first

    assert [row["Key"] for row in s3.list_objects_v2(Bucket=name)["Contents"]] == [
        "raw/posts/2026-01-31.json"
    ]
    again = s3.get_bucket_notification_configuration(Bucket=name)["QueueConfigurations"]
    assert [one["QueueArn"] for one in again] == [one["QueueArn"] for one in configured]
    assert "2026-01-31.json" in _notified(ministack, first)


def test_a_replaced_object_keeps_its_versions(ministack: MiniStack) -> None:
    s3, name = _client(ministack, "s3"), "landing-versions"
    _create(ministack, name)
    for body in (b"1", b"2"):
        s3.put_object(Bucket=name, Key="raw/a.json", Body=body)
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert len(s3.list_object_versions(Bucket=name)["Versions"]) == 2


def test_only_a_raw_json_object_is_notified(ministack: MiniStack) -> None:
    s3, name = _client(ministack, "s3"), "landing-notified"
    url = _create(ministack, name, "queue-notified")
    for key in ("raw/posts/one.json", "raw/posts/two.csv", "other/three.json"):
        s3.put_object(Bucket=name, Key=key, Body=b"[]")
    text = _notified(ministack, url)
    assert [number for number in ("one", "two", "three") if f"{number}." in text] == ["one"]


def test_without_a_queue_nothing_is_notified(ministack: MiniStack) -> None:
    assert _create(ministack, "landing-silent") is None
    found = _client(ministack, "s3").get_bucket_notification_configuration(Bucket="landing-silent")
    assert "QueueConfigurations" not in found


def test_the_command_creates_the_bucket_of_the_environment(
    ministack: MiniStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable, value in {
        "AWS_ENDPOINT_URL": ministack.endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": LOGIN,
        "AWS_SECRET_ACCESS_KEY": LOGIN,
        "LANDING_BUCKET": "landing-of-the-command",
    }.items():
        monkeypatch.setenv(variable, value)
    module.main()
    assert capsys.readouterr().out.strip() == ministack.queue_url(QUEUE)
    names = [row["Name"] for row in _client(ministack, "s3").list_buckets()["Buckets"]]
    assert "landing-of-the-command" in names
