"""Our extraction of one list inside an envelope. Invariant: only the declaration differs.

Arguments: as of `benchmarks.jobs.extract`.
"""

from dataclasses import replace
from typing import Any

from benchmarks import probe
from benchmarks.jobs.extract import landed_rows
from benchmarks.objects import ENVELOPED
from sources.jsonplaceholder import POSTS


def job(arguments: dict[str, Any]) -> int:
    """Land the list and return the number of rows."""
    return landed_rows(replace(POSTS, path=f"/{ENVELOPED}", data_selector="page.data"), arguments)


if __name__ == "__main__":
    probe.run(job)
