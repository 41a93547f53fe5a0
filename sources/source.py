"""The type of a source. Invariant: what is particular to a source is declared once, as a value."""

import typing
from dataclasses import dataclass

import msgspec

# The range of PostgreSQL's bigint: a larger integer would pass here and fail in every model later.
BigInt = typing.Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


@dataclass(frozen=True)
class Source:
    """A list that an API serves and the contract that its records keep.

    Attributes:
        name: lower-case identifier of the landing prefix, the raw table and the ingest DAG.
        path: path (and query) of the list below the API's base URL.
        contract: the record type: required fields, types and ranges of one record.
        key: fields that identify a record within one object.
        allows_empty: whether an empty list is a valid answer.
        on_new_field: ``evolve`` keeps unknown fields in the payload, ``freeze`` refuses the object.
    """

    name: str
    path: str
    contract: type[msgspec.Struct]
    key: tuple[str, ...] = ("id",)
    allows_empty: bool = False
    on_new_field: typing.Literal["evolve", "freeze"] = "evolve"
