"""Delta tables in the local S3 instead of a folder."""

import pytest

from local.ministack import LOGIN, REGION
from scripts.landing.store import Store


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
