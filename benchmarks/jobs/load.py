"""Our load of one object, until visible. Invariant: the loader is called as any caller does.

Arguments: `bucket` (a folder), `dsn`, `rows`, `again` for a second load of the same content, and
`day` if it is not that of `benchmarks.objects`.
"""

from datetime import date
from pathlib import Path
from typing import Any

from benchmarks import probe
from benchmarks.objects import DAY, store
from scripts.load.load import load
from scripts.settings import RunSettings
from sources.jsonplaceholder import POSTS


def job(arguments: dict[str, Any]) -> int:
    """Load the object and return the number of received records."""
    settings = RunSettings(max_reject_count=max(10_000, arguments["rows"] // 100))
    bucket, again = store(Path(arguments["bucket"])), arguments.get("again", False)
    day = date.fromisoformat(arguments.get("day", DAY.isoformat()))
    result = load(POSTS, day, bucket, arguments["dsn"], settings, again=again)
    if result.outcome != "loaded" or result.received != arguments["rows"]:
        raise RuntimeError(result.line())
    return result.received


if __name__ == "__main__":
    probe.run(job)
