"""dlt as in its tutorial. Invariant: only the destination is set.

Arguments: `object` (a file), `dsn_url`.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import dlt
from dlt.destinations import postgres

from benchmarks import probe


def job(arguments: dict[str, Any]) -> int:
    """Run a pipeline over the records and return their number."""
    records = json.loads(Path(arguments["object"]).read_bytes())
    with tempfile.TemporaryDirectory(prefix="elt-benchmark-dlt-") as folder:
        pipeline = dlt.pipeline(
            "posts",
            pipelines_dir=folder,
            destination=postgres(arguments["dsn_url"]),
            dataset_name="posts",
        )
        info = pipeline.run(records, table_name="dlt_rows")
        info.raise_on_failed_jobs()
    return len(records)


if __name__ == "__main__":
    probe.run(job)
