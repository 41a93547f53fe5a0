"""Our extraction of one list. Invariant: it is called as any caller does.

Arguments: `url` of the API, `bucket` (a folder), `rows`.
"""

from pathlib import Path
from typing import Any

from benchmarks import probe
from benchmarks.objects import DAY, store
from scripts.extract.extract import extract
from scripts.settings import Endpoint, RunSettings
from sources import Source
from sources.jsonplaceholder import POSTS


def job(arguments: dict[str, Any]) -> int:
    """Land the list and return the number of rows."""
    return landed_rows(POSTS, arguments)


def landed_rows(source: Source, arguments: dict[str, Any]) -> int:
    """Land a source's list and return the number of rows."""
    bucket, settings = store(Path(arguments["bucket"])), RunSettings(max_bytes=1 << 40)
    endpoint = Endpoint(arguments["url"], is_private_allowed=True)
    return extract(source, DAY, endpoint, bucket, settings).rows


if __name__ == "__main__":
    probe.run(job)
