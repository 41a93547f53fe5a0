"""The declared sources. Invariant: what is particular to one source stands here, once."""

import types
import typing
from dataclasses import dataclass

import msgspec

from scripts.errors import ConfigurationError

# What a bigint column takes: a wider integer would pass here and fail in every model after.
BigInt = typing.Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Post(msgspec.Struct):
    """One post of the API; unknown fields are kept in the payload, outside the contract."""

    userId: BigInt
    id: int
    title: str
    body: str


class Comment(msgspec.Struct):
    """One comment on a post."""

    postId: BigInt
    id: int
    name: str
    email: str
    body: str


class Place(msgspec.Struct):
    """Where an address lies; the API gives the degrees as texts."""

    lat: str
    lng: str


class Address(msgspec.Struct):
    """The address of a user."""

    street: str
    suite: str
    city: str
    zipcode: str
    geo: Place


class Company(msgspec.Struct):
    """The company of a user."""

    name: str
    catchPhrase: str
    bs: str


class User(msgspec.Struct):
    """One user: the author of posts."""

    id: int
    name: str
    username: str
    email: str
    address: Address
    phone: str
    website: str
    company: Company


@dataclass(frozen=True)
class Source:
    """A list that an API serves and the contract that its records keep.

    Attributes:
        name: lower-case identifier; names the landing prefix, the raw table and the ingest DAG.
        path: path (and query) of the list below the API's base URL.
        contract: record type; required fields, types and ranges of one record.
        key: fields that identify a record within one object.
        allows_empty: whether an empty list is an answer and not a fault.
        on_new_field: ``evolve`` keeps unknown fields in the payload, ``freeze`` refuses the object.
    """

    name: str
    path: str
    contract: type[msgspec.Struct]
    key: tuple[str, ...] = ("id",)
    allows_empty: bool = False
    on_new_field: typing.Literal["evolve", "freeze"] = "evolve"


POSTS = Source(name="posts", path="/posts", contract=Post)
COMMENTS = Source(name="comments", path="/comments", contract=Comment)
USERS = Source(name="users", path="/users", contract=User)

SOURCES: typing.Mapping[str, Source] = types.MappingProxyType(
    {source.name: source for source in (POSTS, COMMENTS, USERS)}
)


def source_named(name: str) -> Source:
    """Return the declared source of that name; raises ConfigurationError that lists the names."""
    try:
        return SOURCES[name]
    except KeyError:
        known = ", ".join(sorted(SOURCES))
        raise ConfigurationError(f"no source is called {name!r}; declared: {known}") from None
