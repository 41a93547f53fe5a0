"""Errors of a real PostgreSQL become ours, named by recovery and free of values."""

import os
import socket

import psycopg
import pytest

from local.processes import free_port
from scripts.errors import ConfigurationError, InvalidDataError, PipelineError, UnavailableError
from scripts.warehouse import connection as connection_module
from scripts.warehouse.connection import connect, leaves_this_machine, plain_errors
from tests.conftest import Warehouse

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("insert into raw.posts_rows values (1, 0, 'hidden-value', 1)", InvalidDataError),
        ("select 'hidden-value'::jsonb", InvalidDataError),
        (
            "insert into raw.posts_rows values (1, 0, 1, 1, ''), (1, 0, 2, 2, 'hidden-value')",
            InvalidDataError,
        ),
        ("select repeat('x', 2000000000)", InvalidDataError),
        ("select from raw.hidden_value", ConfigurationError),
        ("select hidden_value from raw.posts_rows", ConfigurationError),
        ("create table marts.t ()", ConfigurationError),
        ("select sleepless()", ConfigurationError),
        ("set statement_timeout = 50; select pg_sleep(9)", UnavailableError),
        ("do $$ begin raise sqlstate '40P01'; end $$", UnavailableError),
        ("do $$ begin raise sqlstate '53100'; end $$", UnavailableError),
        ("do $$ begin raise sqlstate '25006'; end $$", UnavailableError),
        ("select pg_terminate_backend(pg_backend_pid())", UnavailableError),
    ],
)
def test_an_error_is_named_by_what_the_caller_can_do(
    warehouse: Warehouse, statement: str, expected: type[PipelineError]
) -> None:
    with (
        pytest.raises(expected) as caught,
        plain_errors(),
        connect(warehouse.loader, autocommit=True) as connection,
    ):
        connection.execute(statement.encode())
    assert "hidden-value" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_do_not_fit_a_table_are_never_transient(warehouse: Warehouse) -> None:
    """An integer of a changed contract, copied into the column of the earlier one."""
    header = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    row = b"\x00\x07" + 3 * (b"\x00\x00\x00\x04" + bytes(4)) + 4 * b"\xff\xff\xff\xff"
    with (
        pytest.raises(ConfigurationError, match=r"insufficient data.*scripts\.migrate"),
        plain_errors(),
        connect(warehouse.loader) as connection,
        connection.cursor().copy("copy raw.posts_rows from stdin (format binary)") as copy,
    ):
        copy.write(header + row + b"\xff\xff")


def test_a_warehouse_that_is_away_names_its_place_and_no_password() -> None:
    dsn = f"host=127.0.0.1 port={free_port()} dbname=w user=loader password=s3cr3t"
    expected = r"127\.0\.0\.1:\d+/w as loader"
    with pytest.raises(UnavailableError, match=expected) as caught, connect(dsn):
        pytest.fail("nothing listens there")
    assert "s3cr3t" not in str(caught.value)


def test_the_connection_is_closed_with_its_block(warehouse: Warehouse) -> None:
    with connect(warehouse.loader) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="closed"):
        connection.execute("select 1")


@pytest.mark.parametrize(
    ("address", "is_away"),
    [("", False), ("127.0.0.1", False), ("::1", False), ("10.0.0.1", True), ("2001:db8::1", True)],
)
def test_only_a_server_elsewhere_needs_encryption(address: str, *, is_away: bool) -> None:
    assert leaves_this_machine(address) is is_away


@pytest.mark.parametrize(("choice", "warnings"), [("", 1), ("sslmode=disable", 0)])
def test_an_open_connection_that_was_not_chosen_is_worth_a_word(
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    choice: str,
    warnings: int,
) -> None:
    monkeypatch.setattr(connection_module, "leaves_this_machine", lambda _address: True)
    connection_module._warn_once.cache_clear()
    for _ in range(2):
        with connect(f"{warehouse.loader} {choice}"):
            pass
    said = [record.message for record in caplog.records]
    assert len(said) == warnings
    assert all("127.0.0.1 is not encrypted" in line for line in said)


@pytest.mark.parametrize("role", ["loader", "transformer", "reader"])
def test_both_ends_notice_after_a_minute_that_the_other_is_gone(
    warehouse: Warehouse, role: str
) -> None:
    """A machine that vanishes sends nothing, and TCP alone waits for two hours."""
    with connect(getattr(warehouse, role)) as connection:
        ours = socket.socket(fileno=os.dup(connection.fileno()))
        names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        client = [ours.getsockopt(socket.IPPROTO_TCP, name) for name in names]
        ours.close()
        server = [
            connection.execute(f"show tcp_keepalives_{part}".encode()).fetchone()
            for part in ("idle", "interval", "count")
        ]
    assert client == [30, 10, 3]
    assert server == [("30",), ("10",), ("3",)]
