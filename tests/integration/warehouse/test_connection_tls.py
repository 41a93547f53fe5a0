"""A connection with sslmode=verify-full trusts one certificate and one host, also in dbt."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from scripts.errors import ConfigurationError
from scripts.settings import dbt_environment
from scripts.warehouse.connection import connect
from tests.conftest import Warehouse
from tests.tls import certificate, tls_in_front_of

pytestmark = pytest.mark.integration

_HOST = "localhost"
_DBT = Path(__file__).parents[3] / "dbt"


@pytest.fixture
def trusted(tmp_path: Path, warehouse: Warehouse) -> Iterator[str]:
    """The DSN of a server with TLS as role transformer, which verifies it."""
    files = certificate(tmp_path, _HOST)
    with tls_in_front_of(warehouse.server.port, files) as port:
        options = {"sslmode": "verify-full", "sslrootcert": str(files[0])}
        yield psycopg.conninfo.make_conninfo(
            warehouse.transformer, host=_HOST, port=port, **options
        )


def test_a_verified_connection_is_encrypted(trusted: str) -> None:
    with connect(trusted) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("select current_user").fetchone() == ("transformer",)


def test_a_certificate_of_another_is_refused_and_not_tried_again(
    trusted: str, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other, _ = certificate(tmp_path / "other", _HOST)
    dsn = psycopg.conninfo.make_conninfo(trusted, sslrootcert=str(other))
    with pytest.raises(ConfigurationError, match="certificate"), connect(dsn):
        pytest.fail("it trusts a stranger")


def test_another_host_with_this_certificate_is_refused(trusted: str) -> None:
    dsn = psycopg.conninfo.make_conninfo(trusted, host="127.0.0.1")
    with pytest.raises(ConfigurationError, match="does not match host name"), connect(dsn):
        pytest.fail("it trusts a stranger")


def test_a_file_of_certificates_that_is_missing_is_named(trusted: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    dsn = psycopg.conninfo.make_conninfo(trusted, sslrootcert=str(missing))
    with pytest.raises(ConfigurationError, match=str(missing)), connect(dsn):
        pytest.fail("it trusts everyone")


@pytest.mark.parametrize(("is_trusted", "status"), [(True, 0), (False, 1)])
def test_dbt_verifies_the_same_certificate(
    trusted: str, tmp_path: Path, *, is_trusted: bool, status: int
) -> None:
    (tmp_path / "other").mkdir()
    other, _ = certificate(tmp_path / "other", _HOST)
    dsn = trusted if is_trusted else psycopg.conninfo.make_conninfo(trusted, sslrootcert=str(other))
    found = shutil.which("dbt")
    assert found
    place = ("--project-dir", str(_DBT), "--profiles-dir", str(_DBT))
    done = subprocess.run(
        [found, "--log-level-file", "none", "debug", "--connection", *place],
        env=dbt_environment(dsn),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout
    assert ("certificate verify failed" in done.stdout) is not is_trusted
