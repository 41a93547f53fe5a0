"""Our extraction of a large window, as a whole or in parts. Invariant: called as any caller does.

Arguments: `url` of the API, `endpoint` of the S3 stand-in, `bucket`, and `hours` of a part, or 0.
"""

import hashlib
import sys
from datetime import date
from typing import Any

import boto3
import msgspec

from benchmarks import probe
from local.ministack import LOGIN, REGION
from scripts.extract.extract import extract
from scripts.landing.store import Store
from scripts.settings import Endpoint, RunSettings
from sources.declaration import Api, Source, Window, hours, single_page

DAY = date(2026, 1, 31)


class Event(msgspec.Struct):
    """One event."""

    id: int


def source(hours_of_a_part: int) -> Source:
    """Return the declaration of the window, with parts or without."""
    return Source(
        api=Api(name="events", paginator=single_page()),
        name="events",
        path="/events",
        day=Window("from", "to", "epoch"),
        contract=Event,
        parts=hours(hours_of_a_part) if hours_of_a_part else None,
    )


def job(arguments: dict[str, Any]) -> int:
    """Land the day, print its sha256, and return the number of records."""
    session = boto3.Session(LOGIN, LOGIN, region_name=REGION)
    store = Store.of_session(session, arguments["bucket"], endpoint_url=arguments["endpoint"])
    endpoint = Endpoint(arguments["url"], is_private_allowed=True)
    settings = RunSettings(max_bytes=1 << 40, total_timeout=7200, read_timeout=600)
    landed = extract(source(arguments["hours"]), DAY, endpoint, store, settings)
    sys.stdout.write(f"{landed.sha256}\n")
    return landed.rows


def digest(blocks: Any) -> str:
    """Return the sha256 of an object's blocks."""
    found = hashlib.sha256()
    for block in blocks:
        found.update(block)
    return found.hexdigest()


if __name__ == "__main__":
    probe.run(job)
