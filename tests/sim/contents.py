"""What a producer can put, and what a load of it must bring: computed here a second time."""

import json
from functools import cache
from hashlib import sha256
from itertools import groupby
from typing import Any

from tests.sim.bucket import UNREADABLE

MOST_REJECTED = 0.5
ERASED_ID = 1  # of the record that the eraser erases
Rows = list[list[Any]]  # position and record
_ODD = "odd"  # a field with a value that cannot be stored
_DEEP = 250


def _post(number: int, title: str) -> dict[str, Any]:
    return {"userId": 1, "id": number, "title": title, "body": "b"}


def _body(records: list[Any]) -> bytes:
    return b"[\n" + b",\n".join(json.dumps(record).encode() for record in records) + b"\n]\n"


def _contents() -> dict[str, tuple[bytes, str | None]]:
    first = _body([_post(n, "first") for n in range(4)])
    second = _body([_post(n, "second") for n in (5, 1, 3)])  # not in the order of the keys
    third = [_post(1, "third"), {"id": "x"}, _post(2, "third"), _post(3, "third")]
    fourth = [_post(1, "fourth"), _post(2, "fourth"), _post(1, "another"), _post(3, "fourth")]
    fourth += [_post(3, "fourth"), _post(4, "fourth")]
    fifth = [_post(n, "fifth") for n in (1, 2, 3)]  # each half is in the order of the keys
    fifth += [_post(1, "another"), _post(2, "fifth"), _post(4, "fifth")]
    odd = [_post(6, "nul\0"), _post(7, "deep") | {_ODD: "["}, _post(8, "wild") | {_ODD: 0}]
    bodies = {
        "first": first,
        "second": second,
        "rejected": _body(third),
        "twice": _body(fourth),
        "twice in two blocks": _body(fifth),
        "truncated": first[:-30],
        "empty": b"[]",
        "odd": _made_odd(_body([_post(1, "odd"), *odd, *(_post(n, "odd") for n in (4, 5, 9))])),
        "not utf-8": first.replace(b'"body"', b'"more": "\xff", "body"', 1),
    }
    found: dict[str, tuple[bytes, str | None]] = {}
    for name, body in bodies.items():
        found[f"foreign {name}"] = body, None
        found[name] = body, sha256(body).hexdigest()
    found["unreadable"] = UNREADABLE, None
    return {**found, "lying": (first, sha256(second).hexdigest())}


def _made_odd(body: bytes) -> bytes:
    """Give fields that no contract names values which jsonb refuses, or no reader should get."""
    deep = b"[" * _DEEP + b"]" * _DEEP
    return body.replace(b'"odd": "["', b'"odd": ' + deep).replace(b'"odd": 0', b'"odd": 1e400000')


CONTENTS = _contents()


@cache
def rows_of(body: bytes, promise: str | None) -> Rows | None:
    """Return the rows that a load of the object brings, or None if it must be parked."""
    if promise not in (None, sha256(body).hexdigest()):
        return None
    try:
        records = json.loads(body)
    except ValueError:
        return None
    good = [[n, record] for n, record in enumerate(records) if _is_post(record)]
    rows = sorted(_one_of_each(good))
    is_enough = records and 1 - len(rows) / len(records) <= MOST_REJECTED
    return rows if is_enough else None


def without_erased(rows: Rows) -> Rows:
    """Return the rows without the erased record."""
    return [row for row in rows if row[1]["id"] != ERASED_ID]


def holds_erased(body: bytes) -> bool:
    """Return whether the erased record is in a body. One that is not JSON cannot be searched."""
    try:
        records = json.loads(body)
    except ValueError:
        return False
    return any(record.get("id") == ERASED_ID for record in records)


def _is_post(record: Any) -> bool:
    types = {"userId": int, "id": int, "title": str, "body": str}
    has_fields = all(isinstance(record.get(name), type_) for name, type_ in types.items())
    return has_fields and _ODD not in record and "\0" not in record["title"]


def _one_of_each(rows: Rows) -> Rows:
    """Of equal records keep the first. Of different records with one key keep none."""
    kept = []
    for _, found in groupby(sorted(rows, key=lambda row: row[1]["id"]), lambda row: row[1]["id"]):
        same = list(found)
        if all(record == same[0][1] for _, record in same):
            kept.append(same[0])
    return kept


GOOD = [name for name, content in sorted(CONTENTS.items()) if rows_of(*content) is not None]
BAD = sorted(CONTENTS.keys() - set(GOOD))
