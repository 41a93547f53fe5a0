"""Real apply, empty second plan, every identity with its permitted and other actions."""

import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.errors import UnavailableError
from tests.cloud.conftest import TRUSTED, Cloud, store_of
from tests.documents import dotenv_settings

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]

_KEY = "raw/posts/2026-01-02.json"
_PART = "parts/posts/2026-01-02/0000.json"
_BODY = b'[{"id": 1}]'

Act = Callable[[Any, Any, str, str], Any]
_ACTS: dict[str, Act] = {
    "put": lambda s3, _sqs, b, _q: s3.put_object(Bucket=b, Key=_KEY, Body=_BODY),
    "put elsewhere": lambda s3, _sqs, b, _q: s3.put_object(Bucket=b, Key="x.json", Body=_BODY),
    "put a part": lambda s3, _sqs, b, _q: s3.put_object(Bucket=b, Key=_PART, Body=_BODY),
    "get a part": lambda s3, _sqs, b, _q: s3.get_object(Bucket=b, Key=_PART)["Body"].read(),
    "delete a part": lambda s3, _sqs, b, _q: s3.delete_object(Bucket=b, Key=_PART),
    "head": lambda s3, _sqs, b, _q: s3.head_object(Bucket=b, Key=_KEY),
    "get": lambda s3, _sqs, b, _q: s3.get_object(Bucket=b, Key=_KEY)["Body"].read(),
    "get elsewhere": lambda s3, _sqs, b, _q: s3.get_object(Bucket=b, Key="admin/secret.json"),
    "get a version": lambda s3, _sqs, b, _q: s3.get_object(
        Bucket=b, Key=_KEY, VersionId=_version(s3, b)
    ),
    "list": lambda s3, _sqs, b, _q: s3.list_objects_v2(Bucket=b, Prefix="raw/posts/"),
    "list elsewhere": lambda s3, _sqs, b, _q: s3.list_objects_v2(Bucket=b, Prefix="admin/"),
    "list versions": lambda s3, _sqs, b, _q: s3.list_object_versions(Bucket=b, Prefix="raw/posts/"),
    "delete": lambda s3, _sqs, b, _q: s3.delete_object(Bucket=b, Key=_KEY),
    "delete the bucket": lambda s3, _sqs, b, _q: s3.delete_bucket(Bucket=b),
    "open the bucket": lambda s3, _sqs, b, _q: s3.delete_bucket_policy(Bucket=b),
    "stop versioning": lambda s3, _sqs, b, _q: s3.put_bucket_versioning(
        Bucket=b, VersioningConfiguration={"Status": "Suspended"}
    ),
    "receive": lambda _s3, sqs, _b, q: sqs.receive_message(QueueUrl=q),
    "send": lambda _s3, sqs, _b, q: sqs.send_message(QueueUrl=q, MessageBody="{}"),
    "purge": lambda _s3, sqs, _b, q: sqs.purge_queue(QueueUrl=q),
}
_MAY = {
    "ingest": {"put", "head", "get", "list", "put a part", "get a part"},
    "load": {"head", "get", "list", "receive"},
    "erase": {
        *("put", "head", "get", "get a version", "list", "list versions", "delete"),
        "delete a part",
    },
}


def _version(s3: Any, bucket: str) -> str:
    """Return the version id, or a fake id in the same format for roles that cannot read it."""
    try:
        return str(s3.head_object(Bucket=bucket, Key=_KEY)["VersionId"])
    except ClientError:
        return "0" * 32


def test_a_second_plan_is_empty(cloud: Cloud) -> None:
    done = cloud.terraform.run("plan", "-detailed-exitcode", "-input=false")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_the_lines_for_env_hold_no_secret_and_lead_to_the_bucket(cloud: Cloud) -> None:
    written = (cloud.terraform.folder.parent / ".env").read_text()
    assert written.endswith(f"\n{cloud.outputs['env']}")
    env = dotenv_settings(written)
    assert env["PIPELINE_ADMIN_PASSWORD"]
    assert env["LANDING_BUCKET"] == cloud.outputs["bucket"]
    connection = json.loads(env["AIRFLOW_CONN_AWS_INGEST"])
    assert set(connection) == {"conn_type", "extra"}
    assert set(connection["extra"]) == {"region_name", "role_arn"}
    state = (cloud.terraform.folder / "terraform.tfstate").read_text()
    assert [secret for _, secret in cloud.keys.values() if secret in state] == []


@pytest.mark.parametrize("duty", list(TRUSTED))
@pytest.mark.parametrize("user", ["host", "officer", "stranger"])
def test_only_who_is_trusted_may_take_on_a_duty(cloud: Cloud, user: str, duty: str) -> None:
    if TRUSTED[duty] == user:
        assert cloud.assume(user, duty)
        return
    with pytest.raises(ClientError, match="AccessDenied"):
        cloud.assume(user, duty)


def test_our_own_store_works_as_each_duty(cloud: Cloud) -> None:
    """Ingest finds no object and puts one. Load reads it, and the queue gets a notification."""
    ingest, load = store_of(cloud, "ingest"), store_of(cloud, "load")
    assert ingest.head(_KEY) is None
    version = ingest.put(_KEY, io.BytesIO(_BODY), "sha")
    assert ingest.head(_KEY)
    opened = load.open(_KEY)
    assert opened
    assert (b"".join(opened.blocks()), opened.version_id) == (_BODY, version)
    assert [row.key for row in load.list("raw/")] == [_KEY]
    with pytest.raises(UnavailableError, match=r"AccessDenied|Forbidden"):
        load.put(_KEY, io.BytesIO(_BODY), "sha")

    sqs = cloud.client("sqs", cloud.assume("host", "load"))
    url = cloud.outputs["queue_url"]
    arrived = _arrival(sqs, url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=arrived["ReceiptHandle"])


@pytest.mark.parametrize("act", list(_ACTS))
@pytest.mark.parametrize("duty", list(_MAY))
def test_a_duty_may_do_what_it_needs_and_nothing_else(cloud: Cloud, duty: str, act: str) -> None:
    session = cloud.assume(TRUSTED[duty], duty)
    clients = cloud.client("s3", session), cloud.client("sqs", session)
    places = cloud.outputs["bucket"], cloud.outputs["queue_url"]
    if act in _MAY[duty]:
        _ACTS[act](*clients, *places)
        return
    with pytest.raises(ClientError) as refused:
        _ACTS[act](*clients, *places)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_erase_deletes_every_version_for_good(cloud: Cloud) -> None:
    store = store_of(cloud, "erase")
    versions = list(store.versions("raw/"))
    assert len(versions) > 1  # objects of the earlier tests, which ingest may not list or delete
    with pytest.raises(UnavailableError):
        store_of(cloud, "ingest").delete_versions(versions)
    store.delete_versions(versions)
    assert list(store.versions("raw/")) == []


def test_erase_aborts_unfinished_uploads(cloud: Cloud) -> None:
    store_of(cloud, "ingest").client.create_multipart_upload(
        Bucket=cloud.outputs["bucket"], Key=_KEY
    )
    assert store_of(cloud, "erase").abort_uploads("raw/posts/") == 1
    assert store_of(cloud, "erase").abort_uploads("raw/posts/") == 0


def test_what_comes_without_tls_is_refused(cloud: Cloud) -> None:
    s3 = cloud.client("s3", cloud.assume("host", "load"))
    s3.list_objects_v2(Bucket=cloud.outputs["bucket"], Prefix="raw/")

    def _say_plain(request: Any, **_: Any) -> None:  # as a proxy in front of S3 would
        request.headers["x-forwarded-proto"] = "http"

    s3.meta.events.register("before-sign.s3.*", _say_plain)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.list_objects_v2(Bucket=cloud.outputs["bucket"], Prefix="raw/")


def _arrival(sqs: Any, url: str) -> Any:
    """Wait for the notification of the object. S3 sends a test event first."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages", []):
            if "2026-01-02.json" in message["Body"]:
                return message
    raise AssertionError("the queue got no notification of the object")
