"""The private PostgreSQL server: one process on loopback that requires a password."""

import os
import tempfile
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from local.postgres import PostgresServer, _causes, _packaged_binaries
from local.processes import free_port
from scripts.errors import ConfigurationError

pytestmark = pytest.mark.integration


def _value(dsn: str, statement: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def test_its_process_runs_on_its_data_folder(postgres: PostgresServer) -> None:
    assert postgres.is_running()
    pid = postgres.pid()
    assert pid
    assert psutil.Process(pid).name().startswith("postgres")
    assert _value(postgres.dsn("postgres"), "show data_directory") == str(postgres.data)


def test_it_listens_on_loopback_only(postgres: PostgresServer) -> None:
    dsn = postgres.dsn("postgres")
    assert _value(dsn, "show listen_addresses") == "127.0.0.1"
    assert _value(dsn, "show unix_socket_directories") == ""
    assert _value(dsn, "show port") == str(postgres.port)


def test_the_given_options_join_its_fixed_settings(postgres: PostgresServer) -> None:
    dsn = postgres.dsn("postgres")
    assert _value(dsn, "show timezone") == "UTC"
    assert _value(dsn, "show fsync") == "off"  # an option of the fixture


def test_creating_and_starting_it_again_keeps_the_running_server(postgres: PostgresServer) -> None:
    before = postgres.pid()
    postgres.create()
    postgres.start()
    assert postgres.pid() == before


def test_a_dsn_logs_in_as_its_user_and_a_wrong_password_is_refused(
    postgres: PostgresServer,
) -> None:
    assert _value(postgres.dsn("template1"), "select current_database()") == "template1"
    assert _value(postgres.dsn("postgres"), "select current_user") == "postgres"
    assert _value(postgres.dsn("postgres"), "show password_encryption") == "scram-sha-256"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.dsn("postgres", "postgres", "wrong"))


def test_a_password_with_special_characters_stays_one_value(postgres: PostgresServer) -> None:
    dsn = postgres.dsn("postgres", "loader", "a 'b\\ c=d")
    assert conninfo_to_dict(dsn)["password"] == "a 'b\\ c=d"


def test_a_folder_without_a_server_has_no_process_and_stopping_it_is_no_error(
    tmp_path: Path,
) -> None:
    absent = PostgresServer(tmp_path / "data", free_port(), "pw")
    absent.stop()
    assert (absent.is_running(), absent.pid()) == (False, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")
def test_as_root_in_a_private_folder_the_server_runs_from_a_copy_that_all_can_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packaged = _packaged_binaries()
    monkeypatch.setattr("local.postgres.is_open_to_all", lambda folder: folder != packaged)
    with tempfile.TemporaryDirectory(prefix="elt-private-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder) / "data", free_port(), "pw")
        server.create()
        server.start()
        assert _value(server.dsn("postgres"), "select 1") == 1
        server.stop("immediate")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")
def test_as_root_a_folder_that_no_other_user_can_enter_is_refused_with_the_setting(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(ConfigurationError, match=r"nobody, who cannot enter .*PIPELINE_LOCAL_DIR"):
        PostgresServer(tmp_path / "data", free_port(), "pw").create()


def test_the_cause_of_a_stop_is_found_above_the_last_lines_of_the_log(tmp_path: Path) -> None:
    log, full = tmp_path / "server.log", "UTC [2] ERROR:  could not write: No space left on device"
    assert _causes(log) == []
    log.write_text("\n".join([full, *["UTC [1] LOG:  shutting down"] * 9]))
    assert _causes(log) == [full]
    log.write_text("UTC [1] LOG:  starting\n")
    assert _causes(log) == ["UTC [1] LOG:  starting"]
