"""Delta tables in the local S3 instead of a folder."""

import pytest

from local.ministack import LOGIN, REGION
from scripts.landing.store import Store
from scripts.warehouse.lakehouse import library


def use_bucket(store: Store, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what leads this process to a root in a bucket: our settings and AWS's variables."""
    for name, value in {
        "PIPELINE_WAREHOUSE": "delta",
        "PIPELINE_LAKEHOUSE_ROOT": f"{root}/",
        "AWS_ENDPOINT_URL": store.client.meta.endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": LOGIN,
        "AWS_SECRET_ACCESS_KEY": LOGIN,
    }.items():
        monkeypatch.setenv(name, value)


def assert_forgotten(store: Store, prefix: str, text: str) -> None:
    """Check that the bucket has one version of each object, and that none has the text."""
    kept = list(store.versions(prefix))
    assert kept
    for version in kept:
        assert (version.is_latest, version.is_marker) == (True, False), version
        opened = store.open(version.key, version.version_id)
        assert opened
        body = b"".join(opened.blocks())
        assert text.encode() not in body, version
        if version.key.endswith(".parquet"):
            file = library("pyarrow").BufferReader(body)
            assert text not in str(library("pyarrow.parquet").read_table(file).to_pydict())
