"""A managed warehouse: from Terraform's output to a load with a connection from its secret.

The stand-in has no database. It answers with the address of the cluster, and the tests start a
server there, with the owner that the managed secret names. That server cannot encrypt.

The tests must run in this order, and after those of the identities: the last one destroys all.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import msgspec
import psycopg
import pytest
from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend
from botocore.exceptions import ClientError
from psycopg import sql

from local.postgres import PostgresServer
from scripts.errors import ConfigurationError
from scripts.landing.keys import raw_key
from scripts.load.load import load
from scripts.migrate import migrate_managed
from scripts.settings import EnvConnection, RunSettings, dsn_of
from scripts.warehouse.managed import Warehouse, logins
from sources.jsonplaceholder import POSTS
from tests.cloud.conftest import Cloud, detach, root, store_of
from tests.documents import dotenv_settings
from tests.loading import array, post

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]

_CONNECTIONS = {
    "loader": "warehouse",
    "transformer": "dbt_postgres_conn",
    "reader": "warehouse_reader",
}
_DAY = date(2026, 1, 3)
# Whom the connections log in, as a task asks for them.
_LOOK = """
import json
from psycopg.conninfo import conninfo_to_dict
from callbacks.lookup import find_connection, transformer_dsn, warehouse_dsn
users = [conninfo_to_dict(dsn)["user"] for dsn in (warehouse_dsn(), transformer_dsn())]
print(json.dumps([*users, find_connection("slack_alerts").login, find_connection("smtp_default")]))
"""


@pytest.fixture(scope="module")
def warehouse(cloud: Cloud) -> Iterator[Warehouse]:
    """The cluster of Terraform's output, with a server at its address."""
    found = msgspec.convert(cloud.outputs["warehouse"], Warehouse)
    assert found.port == cloud.warehouse_port
    secret = json.loads(
        _secrets(cloud, "deployer").get_secret_value(SecretId=found.owner_secret_arn)[
            "SecretString"
        ]
    )
    with TemporaryDirectory(prefix="elt-rds-") as folder:
        Path(folder).chmod(0o755)  # if tests run as root, the server uses another user
        server = PostgresServer(Path(folder) / "data", found.port, "admin-pw")
        server.create()
        server.start()
        try:
            _create(server, found.database, secret)
            yield found
        finally:
            server.stop("immediate")


def _create(server: PostgresServer, database: str, owner: dict[str, str]) -> None:
    role, name = sql.Identifier(owner["username"]), sql.Identifier(database)
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        login = sql.SQL("create role {} login createrole password {}")
        connection.execute(login.format(role, owner["password"]))
        connection.execute(sql.SQL("create database {} owner {}").format(name, role))


def _migrate(warehouse: Warehouse, client: Any, *, rotates: bool = False) -> list[str]:
    return migrate_managed(logins(warehouse, client, {"sslmode": "disable"}, rotates=rotates))


def _secrets(cloud: Cloud, user: str) -> Any:
    return cloud.client("secretsmanager", cloud.user(user))


def _connection(cloud: Cloud, user: str, conn_id: str) -> EnvConnection:
    found = _asked(cloud, user, conn_id)
    return msgspec.convert(found, EnvConnection, from_attributes=True)


def _asked(cloud: Cloud, user: str, conn_id: str) -> Any:
    """Ask for a connection as Airflow on a machine of this user does, with the lines of .env."""
    settings = json.loads(_lines(cloud)["AIRFLOW__SECRETS__BACKEND_KWARGS"])
    with mock.patch.dict(os.environ, _machine(cloud, user)):
        return SecretsManagerBackend(**settings).get_connection(conn_id)


def _lines(cloud: Cloud) -> dict[str, str]:
    return dotenv_settings((cloud.terraform.folder.parent / ".env").read_text())


def _machine(cloud: Cloud, user: str) -> dict[str, str]:
    """Return the variables of a machine that acts as this user."""
    key, secret = cloud.keys[user]
    return {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_CA_BUNDLE": cloud.ca,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
    }


def _python(cloud: Cloud, user: str, *arguments: str, **more: str) -> Any:
    """Run Python in the tree of the project, on a machine that acts as this user."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **_machine(cloud, user), **more},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_database_is_private_encrypted_and_its_password_is_managed(cloud: Cloud) -> None:
    rds = cloud.client("rds", root())
    [cluster] = rds.describe_db_clusters()["DBClusters"]
    [instance] = rds.describe_db_instances()["DBInstances"]
    assert (cluster["Engine"], cluster["EngineVersion"].split(".")[0]) == (
        "aurora-postgresql",
        "17",
    )
    assert (cluster["StorageEncrypted"], instance["PubliclyAccessible"]) == (True, False)
    state = (cloud.terraform.folder / "terraform.tfstate").read_text()
    secret = _secrets(cloud, "deployer").get_secret_value(
        SecretId=cloud.outputs["warehouse"]["owner_secret_arn"]
    )["SecretString"]
    assert json.loads(secret)["password"] not in state


def test_each_user_reads_its_secrets_and_no_other(cloud: Cloud, warehouse: Warehouse) -> None:
    names = [warehouse.owner_secret_arn, *warehouse.connection_secrets.values()]
    may = {"deployer": names, "host": names[1:], "stranger": []}
    _migrate(warehouse, _secrets(cloud, "deployer"))
    for user, readable in may.items():
        for name in names:
            if name in readable:
                assert _secrets(cloud, user).get_secret_value(SecretId=name)["SecretString"]
                continue
            with pytest.raises(ClientError, match="AccessDenied"):
                _secrets(cloud, user).get_secret_value(SecretId=name)
    with pytest.raises(ClientError, match="AccessDenied"):
        _secrets(cloud, "host").put_secret_value(SecretId=names[1], SecretString="{}")
    with pytest.raises(ConfigurationError, match=r"secret .*AccessDenied"):
        _migrate(warehouse, _secrets(cloud, "host"))


def test_airflow_finds_the_connections_and_a_day_loads(cloud: Cloud, warehouse: Warehouse) -> None:
    _migrate(warehouse, _secrets(cloud, "deployer"))
    logins = {role: _connection(cloud, "host", conn_id) for role, conn_id in _CONNECTIONS.items()}
    assert {role: found.login for role, found in logins.items()} == {r: r for r in _CONNECTIONS}
    assert len({found.password for found in logins.values()}) == len(_CONNECTIONS)
    dsn = dsn_of(logins["loader"])
    assert "sslmode=disable" in dsn
    # It may read no other secret, and asks for none: another connection is somewhere else.
    assert _asked(cloud, "host", "aws_default") is None

    body = array([post(1), post(2)])
    digest = sha256(body).hexdigest()
    store_of(cloud, "ingest").put(raw_key("posts", _DAY), io.BytesIO(body), digest)
    assert load(POSTS, _DAY, store_of(cloud, "load"), dsn, RunSettings()).loaded == 2
    with psycopg.connect(dsn_of(logins["transformer"])) as connection:
        assert connection.execute("select count(*) from raw.posts").fetchone() == (2,)


def test_tasks_find_them_before_those_of_the_environment(
    cloud: Cloud, warehouse: Warehouse, tmp_path: Path
) -> None:
    _migrate(warehouse, _secrets(cloud, "deployer"))
    backend = {name: text for name, text in _lines(cloud).items() if "SECRETS__BACKEND" in name}
    other = json.dumps({"conn_type": "postgres", "host": "other", "login": "other"})
    done = _python(
        cloud,
        "host",
        *("-c", _LOOK),
        **backend,
        AIRFLOW_HOME=str(tmp_path),
        AIRFLOW_CONN_WAREHOUSE=other,
        AIRFLOW_CONN_SLACK_ALERTS=other,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == ["loader", "transformer", "other", None]


def test_again_changes_nothing_and_a_rotation_changes_every_password(
    cloud: Cloud, warehouse: Warehouse
) -> None:
    client = _secrets(cloud, "deployer")
    _migrate(warehouse, client)
    before = {role: _connection(cloud, "host", name) for role, name in _CONNECTIONS.items()}

    assert _migrate(warehouse, client) == []
    written = _migrate(warehouse, client, rotates=True)
    assert sorted(written) == sorted(warehouse.connection_secrets.values())

    after = {role: _connection(cloud, "host", name) for role, name in _CONNECTIONS.items()}
    for role in _CONNECTIONS:
        with psycopg.connect(dsn_of(after[role])), pytest.raises(psycopg.OperationalError):
            psycopg.connect(dsn_of(before[role]))


def test_killed_between_the_roles_and_their_secrets_it_is_run_again(
    cloud: Cloud, warehouse: Warehouse
) -> None:
    client = _secrets(cloud, "deployer")
    _migrate(warehouse, client)
    broken = mock.Mock(wraps=client, exceptions=client.exceptions)
    broken.put_secret_value.side_effect = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        _migrate(warehouse, broken, rotates=True)

    _migrate(warehouse, client)
    for name in _CONNECTIONS.values():
        with psycopg.connect(dsn_of(_connection(cloud, "host", name))):
            pass


@pytest.mark.usefixtures("warehouse")
def test_the_command_reads_terraforms_output_and_asks_for_encryption(cloud: Cloud) -> None:
    done = cloud.terraform.run_readme(
        "terraform -chdir=terraform output -json warehouse"
        " | python -m scripts.migrate --managed --ca-file /etc/ssl/rds.pem",
        _machine(cloud, "deployer"),
    )
    assert done.returncode == 2
    # The server of the test cannot encrypt.
    assert done.stderr.startswith("error: warehouse localhost:")
    assert "does not support SSL" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_used_bucket_and_the_database_are_destroyed_when_that_is_asked_for(cloud: Cloud) -> None:
    store_of(cloud, "ingest").put(raw_key("posts", _DAY), io.BytesIO(b"[]"), "sha")
    detach(cloud, host="read", deployer="migrate")
    done = cloud.terraform.run("destroy", "-auto-approve", "-input=false", seconds=500)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert cloud.terraform.run("state", "list").stdout == ""
