"""The bytes of a list from HTTP to an object. Invariant: it checks nothing and changes nothing.

Arguments: `url` of the API, `bucket` (a folder), `rows`.
"""

import tempfile
from pathlib import Path
from typing import Any

import requests

from benchmarks import probe
from benchmarks.objects import key, store

_BLOCK_BYTES = 64 * 1024


def job(arguments: dict[str, Any]) -> int:
    """Land the bytes and return `rows` from the arguments, unchecked."""
    bucket = store(Path(arguments["bucket"]))
    with (
        tempfile.TemporaryFile() as file,
        requests.get(f"{arguments['url']}/posts", stream=True, timeout=60) as response,
    ):
        response.raise_for_status()
        for block in response.iter_content(_BLOCK_BYTES):
            file.write(block)
        file.seek(0)
        bucket.put(key(), file, "")
    return int(arguments["rows"])


if __name__ == "__main__":
    probe.run(job)
