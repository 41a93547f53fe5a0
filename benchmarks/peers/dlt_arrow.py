"""The fast way with dlt: Arrow tables, Parquet and ADBC. Invariant: C code reads the whole array.

Its table has an index on the key like every other table, here as a unique column.

Arguments: `object` (a file), `dsn_url`.
"""

import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import dlt
import orjson
import pyarrow as pa
from dlt.destinations import postgres

from benchmarks import probe

import_module("adbc_driver_postgresql")  # otherwise dlt imports it during the measurement
_CHUNK = 100_000


def tables(records: list[dict[str, Any]]) -> Iterator[Any]:
    """Yield the records as Arrow tables."""
    for low in range(0, len(records), _CHUNK):
        yield pa.Table.from_pylist(records[low : low + _CHUNK])


def job(arguments: dict[str, Any]) -> int:
    """Run a pipeline over the tables and return the number of rows."""
    records = orjson.loads(Path(arguments["object"]).read_bytes())
    with tempfile.TemporaryDirectory(prefix="elt-benchmark-dlt-") as folder:
        pipeline = dlt.pipeline(
            "posts",
            pipelines_dir=folder,
            destination=postgres(arguments["dsn_url"]),
            dataset_name="posts",
        )
        info = pipeline.run(
            tables(records),
            table_name="dlt_rows",
            columns={"id": {"unique": True}},
            loader_file_format="parquet",
        )
        info.raise_on_failed_jobs()
    return len(records)


if __name__ == "__main__":
    probe.run(job)
