"""Rejected records wait in a file, and are saved beside the ledger row of their load."""

from hashlib import sha256

import msgspec
import psycopg
import pytest

from scripts.landing.json_array import HEAD_BYTES, Batch, MalformedRecord
from scripts.load.contract import Violation
from scripts.load.quarantine import quarantine
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse

pytestmark = pytest.mark.integration

_LOAD = """
    insert into ops.loads (load_id, source, day, key, etag, last_modified, bytes, state, reason,
        received, loaded, rejected, seconds, is_current)
    values (1, 'posts', '2026-01-31', 'k', 'e', now(), 1, 'parked', 'r', 0, 0, 0, 0, false)
"""


def _sha(text: bytes) -> str:
    return sha256(text).hexdigest()


def test_each_reject_is_saved_with_position_reason_and_first_bytes(warehouse: Warehouse) -> None:
    long = b'{"body": "' + b"x" * HEAD_BYTES + b'", "id": 2}'
    text = b'[{"id": 1}, ' + long + b"]"
    batch = Batch(0, 1, text, msgspec.json.decode(text, type=list[msgspec.Raw]))
    end = 12 + len(long)
    malformed = MalformedRecord(7, 90, 95, b"{nope", _sha(b"{nope"), "not JSON: x")
    with psycopg.connect(warehouse.loader) as connection, quarantine(POSTS) as rejects:
        connection.execute(_LOAD)
        rejects.add_breaches(batch, {1: Violation("body", "Expected `int`")})
        rejects.add_faulty(malformed)
        assert (rejects.count, rejects.first) == (2, "record 1: Expected `int`")
        rejects.save(connection, 1)
        rows = connection.execute(
            """
            select position, byte_start, byte_end, field, reason, record, record_bytes,
                record_sha256, record_key
            from ops.rejects order by position
            """
        ).fetchall()
    assert rows == [
        (1, 12, end, "body", "Expected `int`", long[:HEAD_BYTES], len(long), _sha(long), {"id": 2}),
        (7, 90, 95, None, "not JSON: x", b"{nope", 5, malformed.sha256, {}),
    ]


def test_without_rejects_nothing_is_written(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.loader) as connection, quarantine(POSTS) as rejects:
        rejects.save(connection, 1)  # there is no load 1: a row would be an error
        assert (rejects.count, rejects.first) == (0, "")
