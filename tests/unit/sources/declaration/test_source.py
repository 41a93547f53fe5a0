"""A declaration that cannot work fails when it is declared, and the error names the field."""

from dataclasses import FrozenInstanceError, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from sources.declaration import Api, BigInt, Source, cursor, header_link, offset, single_page
from sources.declaration.declaration_error import DeclarationError

pytestmark = pytest.mark.unit


class Inner(msgspec.Struct):
    id: str


class Record(msgspec.Struct, kw_only=True):
    id: int
    at: datetime
    on: date
    uid: UUID
    properties: Inner
    name: str | None = None
    odd: str = msgspec.field(name="@id", default="")
    link: str = msgspec.field(name="@link")
    ratio: float = 0
    day: int


API = Api(name="shop", paginator=header_link())


def declare(**changes: Any) -> Source:
    return Source(
        **{"api": API, "name": "orders", "path": "/orders", "contract": Record, **changes}
    )


@pytest.mark.parametrize("number", [-(2**63), 0, 2**63 - 1])
def test_a_bigint_holds_what_postgresqls_bigint_holds(number: int) -> None:
    assert msgspec.json.decode(str(number).encode(), type=BigInt) == number


@pytest.mark.parametrize("number", [-(2**63) - 1, 2**63, 2**64])
def test_a_larger_integer_is_refused(number: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(str(number).encode(), type=BigInt)


def test_a_source_is_keyed_by_its_id_and_refuses_an_empty_list_unless_it_says_otherwise() -> None:
    source = declare()
    assert (source.key, source.allows_empty, source.on_new_field) == (("id",), False, "evolve")
    assert source.pages == header_link()
    assert replace(source, paginator=single_page()).pages == single_page()


def test_a_declared_source_cannot_be_changed() -> None:
    source: Any = declare()
    with pytest.raises(FrozenInstanceError):
        source.name = "b"


def test_the_columns_of_a_key_follow_from_the_contract() -> None:
    key = ("id", "at", "on", "uid", "properties.id", ("@link",))
    fields = declare(key=key).key_fields
    assert [(field.name, field.type, field.attribute) for field in fields] == [
        ("id", "bigint", "id"),
        ("at", "timestamp with time zone", "at"),
        ("on", "date", "on"),
        ("uid", "uuid", "uid"),
        ("properties_id", "text", "properties.id"),
        ("link", "text", "link"),
    ]
    assert declare(key=None).key_fields == ()


@pytest.mark.parametrize("name", ["a", "orders", "a1_b", "a" * 49])
def test_a_name_can_be_a_table_and_a_variable(name: str) -> None:
    assert declare(name=name).name == Api(name=name, paginator=header_link()).name == name


@pytest.mark.parametrize(
    "name", ["", "Orders", "web-orders", "1st", "_a", "a b", "ordérs", "a" * 50, "a\n", None]
)
def test_another_name_is_refused(name: Any) -> None:
    with pytest.raises(DeclarationError, match=r"^name: expected \[a-z\]"):
        declare(name=name)
    with pytest.raises(DeclarationError, match=r"^name: expected \[a-z\]"):
        Api(name=name, paginator=header_link())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "orders_rows"}, "^name: .*_rows"),
        ({"api": "shop"}, "^api: "),
        ({"path": "orders"}, "^path: .*begins with /"),
        ({"path": "/orders/{week}"}, r"^path: .*got \{week\}"),
        ({"params": {"since": "{week}"}}, r"^params.since: .*got \{week\}"),
        ({"key": ()}, "^key: "),
        ({"key": "id"}, "^key: expected a tuple"),
        ({"key": ("nr",)}, "^key: 'nr' is not in the contract, which has id, at, "),
        ({"key": ("properties.nr",)}, "^key: 'properties.nr' is not in the contract"),
        ({"key": ("id.nr",)}, "^key: 'id.nr' is not in the contract"),
        ({"key": ("name",)}, "^key: 'name' is optional"),
        ({"key": ("properties",)}, "^key: 'properties' must be an int"),
        ({"key": ("id", "id")}, "^key: it names a field twice"),
        ({"contract": dict}, "^contract: "),
        ({"paginator": header_link}, "^paginator: "),
        ({"method": "PUT"}, "^method: "),
        ({"json": {}}, "^json: "),
        ({"paginator": cursor(cursor_path="a", cursor_body_path="b")}, "^paginator: .*POST"),
        ({"paginator": offset(limit=1, limit_body_path="b")}, "^paginator: .*POST"),
        ({"data_selector": "a..b"}, "^data_selector: "),
        ({"data_selector": "*.b.*"}, r"^data_selector: expected at most one \*"),
        ({"total_path": "*.b"}, r"^total_path: expected no \*"),
        ({"format": "xml"}, "^format: "),
        ({"format": "csv", "data_selector": "data"}, "^data_selector: "),
        ({"on_new_field": "drop"}, "^on_new_field: "),
        ({"on_duplicate": "first"}, "^on_duplicate: "),
        ({"empty_statuses": (404,)}, "^empty_statuses: .*allows_empty"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_by_field(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        declare(**changes)
