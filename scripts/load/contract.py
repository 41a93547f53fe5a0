"""Validate records against the contract of their source. Invariant: what passes is valid jsonb.

A whole batch is decoded in one call. If that fails, or if the text contains something that the
decoder accepts and jsonb does not, the batch is split until single records are left to check.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import isfinite
from operator import attrgetter
from types import GenericAlias
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from scripts.errors import InvalidDataError
from scripts.landing.json_array import Batch
from scripts.landing.json_scanner import depth
from sources import Source

MAX_DEPTH = 200
_MAX_NEW_FIELDS = 100
_MAX_NAME = 100
_PLAIN_NAME = re.compile(r'[^"\\\x00-\x1f]{0,99}')  # the names that msgspec accepts
_MAX_REASON = 300
_MAX_DIGITS = 131_072  # of an integer in jsonb
_MAX_SCALE = 16_383  # decimal places in jsonb
_LONG = 16_000  # a shorter record cannot contain a number too long for jsonb
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_STRING_OR_NUMBER = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|(-?[0-9][0-9.eE+-]*+)', re.DOTALL)
_WILD_EXPONENT = re.compile(rb"[eE][-+]?[0-9]{4}")
_LONG_INTEGER = re.compile(rb"(-?)[0-9]{300,}+")
_FIELD = re.compile(r"`\$\.([^`]*)`|field `([^`]*)`")
_PLACE = re.compile(r"`\$\[([0-9]+)\]")  # where in an array of records
_TAME = (inspect.IntType, inspect.StrType, inspect.BoolType, inspect.NoneType)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANYTHING = msgspec.json.Decoder(list[Any])

Key = Any  # the value of the key field, a tuple of several, or None without a key


class Violation(NamedTuple):
    """Why a record is rejected: the reason, and the field if there is one."""

    field: str | None
    reason: str


class CheckedBatch(NamedTuple):
    """The result of a batch: a key per valid record, a `Violation` per other record."""

    keys: list[Key]
    breaches: dict[int, Violation]


class Contract:
    """The contract of a source for one object. It learns the object's new fields."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.new_fields: list[str] = []
        contract = inspect.type_info(source.contract)
        fields = contract.fields if isinstance(contract, inspect.StructType) else ()
        self._known = {field.encode_name for field in fields}
        self._is_wild = not all(isinstance(field.type, _TAME) for field in fields)
        types = source.key_columns.values()
        self._integers = [i for i, type_ in enumerate(types) if type_ == "bigint"]
        attributes = [field.attribute for field in source.key_fields]
        self._key: Callable[[Any], Key] = attrgetter(*attributes) if attributes else _no_key
        self._one = msgspec.json.Decoder(source.contract)
        self._is_strict = True
        self._many = _strict_decoder(source, [])

    def check(self, batch: Batch) -> CheckedBatch:
        """Return the keys of the valid records and the violation of each other record.

        Raises:
            InvalidDataError: the contract is frozen and a record has a new field.
        """
        suspects = sorted(self._suspects(batch))
        if not suspects and isinstance(keys := self._decode(batch.text), list):
            return CheckedBatch(keys, {})
        checked, stretches = CheckedBatch([], {}), [(0, len(batch.records))]
        while stretches:
            low, high = stretches.pop()
            if high - low == 1:
                was_wild = self._is_wild
                self._note(checked, batch, low)
                if self._is_wild and not was_wild:  # the first new field: look at the rest again
                    suspects = sorted(self._suspects(batch))
                continue
            found = self._passed(batch, low, high, suspects)
            if isinstance(found, list):
                checked.keys.extend(found)
            else:
                stretches += [(low + found, high), (low, low + found)]
        return checked

    def _passed(
        self, batch: Batch, low: int, high: int, suspects: Sequence[int]
    ) -> list[Key] | int:
        """Return the keys of adjacent records, or how many of them to check alone."""
        place = bisect_left(suspects, low)
        if place < len(suspects) and suspects[place] < high:
            return suspects[place] - low or 1
        found = self._decode(batch.part(low, high))
        if found is None:
            return (high - low) // 2
        return found or 1

    def _note(self, checked: CheckedBatch, batch: Batch, index: int) -> None:
        found = self._check_one(batch.first + index, bytes(batch.records[index]))
        if isinstance(found, Violation):
            checked.breaches[index] = found
        else:
            checked.keys.append(found)

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
        if _WILD_EXPONENT.search(text):
            found.update(i for i, r in enumerate(records) if _WILD_EXPONENT.search(r))
        return found

    def _decode(self, text: bytes) -> list[Key] | int | None:
        """Return the keys of an array of records, or the index of an invalid record if known."""
        try:
            keys = list(map(self._key, self._many.decode(text)))
            if not self._is_strict:
                _ANYTHING.decode(text)  # the plain contract ignores numbers of unknown fields
        except msgspec.MsgspecError as error:
            place = _PLACE.search(str(error))
            return int(place[1]) if place else None
        except RecursionError:
            return None
        return keys if self._fit(keys) else None

    def _fit(self, keys: list[Key]) -> bool:
        """Return whether every integer of these keys fits into 64 bits."""
        if not self._integers:
            return True
        is_single = len(self.source.key_fields) == 1
        columns: list[Any] = [keys] if is_single else list(zip(*keys, strict=True))
        try:
            for index in self._integers:
                array("q", columns[index])
        except OverflowError:
            return False
        return True

    def _check_one(self, position: int, record: bytes) -> Key | Violation:
        if problem := _jsonb_problem(record):
            return Violation(None, problem)
        try:
            fields = _FIELDS.decode(record)  # of duplicate fields the last one counts, as in jsonb
            known = {name: _shorter(raw) for name, raw in fields.items() if name in self._known}
            key = self._key(self._one.decode(msgspec.json.encode(known)))
        except msgspec.MsgspecError as error:
            return _breach(error)
        if not self._fit([key]):
            name = ".".join(self.source.key_fields[self._integers[0]].parts)
            return Violation(name, "an integer of the key does not fit into 64 bits")
        self._learn(position, [name for name in fields if name not in self._known])
        return key

    def _learn(self, position: int, names: list[str]) -> None:
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
        self._is_strict = (
            self._is_strict
            and len(self.new_fields) < _MAX_NEW_FIELDS
            and all(_PLAIN_NAME.fullmatch(name) for name in self.new_fields)
        )
        if self._is_strict:
            self._many = _strict_decoder(self.source, self.new_fields)
        else:
            self._many = _array_decoder(self.source.contract)


def _no_key(_: object) -> None:
    """Return the key of a record of a source without a key."""


def _strict_decoder(source: Source, new_fields: list[str]) -> msgspec.json.Decoder[list[Any]]:
    """Return a decoder that fails at a field outside the contract and `new_fields`."""
    names = {f"new_field_{i}": name for i, name in enumerate(new_fields)}
    known = msgspec.defstruct(
        source.contract.__name__,
        [(attribute, Any, msgspec.UNSET) for attribute in names],
        bases=(source.contract,),
        rename=names,
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,  # parsed records form no cycles: the garbage collector can skip them
    )
    return _array_decoder(known)


def _array_decoder(record: type[msgspec.Struct]) -> msgspec.json.Decoder[list[Any]]:
    return msgspec.json.Decoder(GenericAlias(list, record))


def _shorter(value: msgspec.Raw) -> msgspec.Raw:
    """Return a shorter integer in place of one that is too long for Python."""
    match = _LONG_INTEGER.fullmatch(bytes(value))
    return msgspec.Raw(match[1] + b"9" * 300) if match else value


def _breach(error: msgspec.MsgspecError) -> Violation:
    reason = str(error)[:_MAX_REASON]
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
