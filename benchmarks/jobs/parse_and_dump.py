"""The tutorial's extraction. Invariant: the whole list is in memory, as Python objects.

Arguments: `url` of the API, `bucket` (a folder), `rows`.
"""

import io
import json
from pathlib import Path
from typing import Any

import requests

from benchmarks import probe
from benchmarks.objects import key, store


def job(arguments: dict[str, Any]) -> int:
    """Parse the list, land it as written by json.dumps and return the number of rows."""
    response = requests.get(f"{arguments['url']}/posts", timeout=60)
    response.raise_for_status()
    records = response.json()
    store(Path(arguments["bucket"])).put(key(), io.BytesIO(json.dumps(records).encode()), "")
    return len(records)


if __name__ == "__main__":
    probe.run(job)
