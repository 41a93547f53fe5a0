"""Validate records against the contract of their source. Invariant: what passes can be stored.

A whole batch is decoded in one call, into the values of the columns of the raw table. If that
fails, or if the text contains something that the decoder accepts and PostgreSQL does not, the batch
is split until single records are left to check.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

import msgspec

from scripts.errors import InvalidDataError
from scripts.landing.json_array import Batch
from scripts.landing.json_scanner import depth
from scripts.load.row_decoder import Extra, RowDecoder, Values
from sources import Source

MAX_DEPTH = 200
_MAX_NEW_FIELDS = 100
_MAX_NAME = 100
_MAX_REASON = 300
_MAX_DIGITS = 131_072  # of an integer in jsonb
_MAX_SCALE = 16_383  # decimal places in jsonb
_LONG = 16_000  # a shorter record cannot contain a number too long for jsonb
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_STRING_OR_NUMBER = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|(-?[0-9][0-9.eE+-]*+)', re.DOTALL)
_WILD_NUMBER = re.compile(rb"[0-9][eE][-+]?[0-9]{3,}+[ \t\r\n]*+[,}\]]")
_LONG_INTEGER = re.compile(rb"(-?)[0-9]{300,}+")
_FIELD = re.compile(r"`\$\.([^`]*)`|field `([^`]*)`")
_PLACE = re.compile(r"`\$\[([0-9]+)\]")  # where in an array of records
_WILD = {"jsonb", "double precision", "numeric"}  # types of columns that numbers may not fit
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Violation(NamedTuple):
    """Why a record is rejected: the reason, and the field if there is one."""

    field: str | None
    reason: str


class CheckedBatch(NamedTuple):
    """The result of a batch.

    Attributes:
        rows: the values of the columns, for each valid record.
        extras: the fields outside the contract, for each valid record. Empty: no record has any.
        breaches: a `Violation` for each other record, by its index in the batch.
    """

    rows: list[Values]
    extras: list[Extra]
    breaches: dict[int, Violation]


class Contract:
    """The contract of a source for one object. It learns the object's new fields."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.new_fields: list[str] = []
        self._decoder = RowDecoder(source)
        self._is_wild = any(column.type in _WILD for column in source.columns)

    def check(self, batch: Batch) -> CheckedBatch:
        """Return the rows of the valid records and the violation of each other record.

        Raises:
            InvalidDataError: the contract is frozen and a record has a new field.
        """
        suspects, checked = sorted(self._suspects(batch)), CheckedBatch([], [], {})
        found = None if suspects else self._decode(batch.first, batch.text)
        if isinstance(found, tuple):
            return CheckedBatch(*found, {})
        stretches = _parted(0, len(batch.records), found)
        while stretches:
            low, high = stretches.pop()
            if high - low == 1:
                was_wild = self._is_wild
                self._note(checked, batch, low)
                if self._is_wild and not was_wild:  # the first new field: look at the rest again
                    suspects = sorted(self._suspects(batch))
                continue
            passed = self._passed(batch, low, high, suspects)
            if isinstance(passed, tuple):
                self._add(checked, *passed)
            else:
                stretches += passed
        return checked

    def _passed(
        self, batch: Batch, low: int, high: int, suspects: Sequence[int]
    ) -> tuple[list[Values], list[Extra]] | list[tuple[int, int]]:
        """Return the rows of adjacent records, or the parts to check instead, last first."""
        place = bisect_left(suspects, low)
        if place < len(suspects) and suspects[place] < high:
            return _parted(low, high, suspects[place])
        found = self._decode(batch.first + low, batch.part(low, high))
        if isinstance(found, tuple):
            return found
        return _parted(low, high, None if found is None else low + found)

    def _add(self, checked: CheckedBatch, rows: list[Values], extras: list[Extra]) -> None:
        """Add valid records. If one of all has an extra, there is one for each."""
        if extras or checked.extras:
            missing = len(checked.rows) - len(checked.extras)
            checked.extras.extend([{}] * missing)
            checked.extras.extend(extras or [{}] * len(rows))
        checked.rows.extend(rows)

    def _note(self, checked: CheckedBatch, batch: Batch, index: int) -> None:
        found = self._check_one(batch.first + index, bytes(batch.records[index]))
        if isinstance(found, Violation):
            checked.breaches[index] = found
        else:
            row, extra = found
            self._add(checked, [row], [extra] if extra else [])

    def _suspects(self, batch: Batch) -> set[int]:
        """Return the indexes of records whose content the decoder accepts but jsonb may not.

        While all fields are texts, integers and booleans, this can only be NUL.
        """
        text, records = batch.text, batch.records
        found: set[int] = set()
        if b"u0000" in text:
            found.update(batch.holders(b"u0000"))
        if not self._is_wild:
            return found
        if _brackets(text) > len(records) + MAX_DEPTH:
            found.update(i for i, r in enumerate(records) if _brackets(bytes(r)) > MAX_DEPTH)
        if max(map(len, records)) > _LONG:
            found.update(i for i, r in enumerate(records) if len(r) > _LONG)
        if _WILD_NUMBER.search(text):
            found.update(i for i, r in enumerate(records) if _WILD_NUMBER.search(r))
        return found

    def _decode(self, first: int, text: bytes) -> tuple[list[Values], list[Extra]] | int | None:
        """Return the rows of an array of records, or the index of an invalid record if known."""
        try:
            if not self.new_fields:
                return self._decoder.rows(text), []
            rows, extras = self._decoder.rows_with_extras(text)
        except msgspec.MsgspecError as error:
            place = _PLACE.search(str(error))
            return int(place[1]) if place else None
        except RecursionError:
            return None
        for number, extra in enumerate(extras, first):
            self._learn(number, extra)
        return rows, extras

    def _check_one(self, position: int, record: bytes) -> tuple[Values, Extra] | Violation:
        if problem := _jsonb_problem(record):
            return Violation(None, problem)
        try:
            fields = _FIELDS.decode(record)  # of duplicate fields the last one counts, as in jsonb
            known = {name: raw for name, raw in fields.items() if name in self._decoder.names}
            shorter = {name: _shorter(raw) for name, raw in known.items()}
            [row] = self._decoder.rows(_array_of(known), _array_of(shorter))
        except msgspec.MsgspecError as error:
            return _breach(error)
        extra = {name: raw for name, raw in fields.items() if name not in known}
        self._learn(position, extra)
        return row, extra

    def _learn(self, position: int, names: Iterable[str]) -> None:
        """Remember fields outside the contract for the next batches."""
        new = [name[:_MAX_NAME] for name in names if name[:_MAX_NAME] not in self.new_fields]
        if not new:
            return
        if self.source.on_new_field == "freeze":
            raise InvalidDataError(
                f"record {position} has the field {new[0]!r}, which the frozen contract of "
                f"{self.source.name} does not declare. Add it to the contract"
            )
        self.new_fields = (self.new_fields + new)[:_MAX_NEW_FIELDS]
        self._is_wild = True


def _parted(low: int, high: int, index: int | None) -> list[tuple[int, int]]:
    """Return adjacent records in parts: one record alone, or halves if it is not known which."""
    cuts = [low, (low + high) // 2, high] if index is None else [low, index, index + 1, high]
    return [(start, end) for start, end in pairwise(cuts) if start < end][::-1]


def _array_of(fields: Extra) -> bytes:
    return b"[%b]" % msgspec.json.encode(fields)


def _shorter(value: msgspec.Raw) -> msgspec.Raw:
    """Return a shorter integer in place of one that is too long for Python."""
    match = _LONG_INTEGER.fullmatch(bytes(value))
    return msgspec.Raw(match[1] + b"9" * 300) if match else value


def _breach(error: msgspec.MsgspecError) -> Violation:
    reason = str(error).replace(" - at `$[0]`", "").replace("`$[0]", "`$")[:_MAX_REASON]
    found = _FIELD.search(reason)
    return Violation((found[1] or found[2]) if found else None, reason)


def _jsonb_problem(record: bytes) -> str | None:
    """Return why jsonb cannot store this valid JSON, or would lose its value."""
    if _NUL.search(record):
        return "\\u0000 in a string: PostgreSQL cannot store NUL"
    if _brackets(record) > MAX_DEPTH and depth(record) > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH}"
    for token in _STRING_OR_NUMBER.finditer(record):
        if token[1] and not _fits(token[1]):
            return f"number out of range: {token[1][:40].decode()}"
    return None


def _brackets(record: bytes) -> int:
    return record.count(b"{") + record.count(b"[")


def _fits(number: bytes) -> bool:
    """Return whether a number is a double, or an integer that jsonb can store."""
    if len(number) < 16 and number.isdigit():
        return True
    mantissa, _, exponent = number.lower().partition(b"e")
    whole, _, fraction = mantissa.partition(b".")
    if len(whole.lstrip(b"-")) > _MAX_DIGITS or len(fraction) > _MAX_SCALE or len(exponent) > 6:
        return False
    if whole == number:
        return True
    return isfinite(float(number)) and len(fraction) - int(exponent or 0) <= _MAX_SCALE
