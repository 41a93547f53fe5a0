"""A team's own servers: a warehouse, S3, Secrets Manager and an HTTP API beside the deployment."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import boto3
import psycopg
from botocore.exceptions import BotoCoreError
from psycopg.conninfo import make_conninfo

from local.bucket import create_landing
from local.ministack import LOGIN, REGION
from local.stand_in_api import stand_in
from local.state import ROOT
from local.switchable import running
from scripts.migrate import migrate
from tests.compose.engine import base_images, docker
from tests.stack import wait_for

BUCKET = "own-landing"
PASSWORD = "own-pw"  # of every login of the server below
_SCRIPTS = ("create_owner.sh", "lock_down.sql")
_PREFIX = "own/connections"
_ROLES = {
    "warehouse": "loader",
    "dbt_postgres_conn": "transformer",
    "warehouse_reader": "reader",
}


@dataclass(frozen=True)
class OwnServers:
    """The addresses of the servers, for this machine and for containers."""

    host: str
    warehouse_port: int
    s3: str
    api: str

    def dsn(self, role: str) -> str:
        """Return the DSN of the warehouse for a role."""
        return make_conninfo(
            host=self.host,
            port=self.warehouse_port,
            dbname="warehouse",
            user=role,
            password=PASSWORD,
            sslmode="disable",
        )

    def bucket(self) -> Any:
        """Return a client of the S3 API."""
        return _session().client("s3", endpoint_url=self.s3)

    def settings(self) -> dict[str, str]:
        """Return the lines of .env for own servers, as the README and Terraform give them."""
        extra = {"region_name": REGION, "endpoint_url": self.s3}
        aws = {"conn_type": "aws", "login": LOGIN, "password": LOGIN, "extra": extra}
        backend = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
        kwargs = {
            "connections_prefix": _PREFIX,
            "connections_lookup_pattern": f"^({'|'.join(_ROLES)})$",
            "variables_prefix": None,
            "config_prefix": None,
            **extra,
        }
        return {
            "LANDING_BUCKET": BUCKET,
            "AIRFLOW__SECRETS__BACKEND": backend,
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(kwargs),
            "PIPELINE_AWS_ACCESS_KEY_ID": LOGIN,
            "PIPELINE_AWS_SECRET_ACCESS_KEY": LOGIN,
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(aws),
            "AIRFLOW_CONN_POSTS_API": json.dumps({"conn_type": "http", "host": self.api}),
            "AIRFLOW_CONN_EARTHQUAKES_API": json.dumps({"conn_type": "http", "host": self.api}),
            "PIPELINE_ALLOW_PRIVATE_API": "true",
        }

    def prepare(self) -> None:
        """Migrate the warehouse, and keep its connections in Secrets Manager."""
        migrate(self.dsn("owner"), dict.fromkeys(_ROLES.values(), PASSWORD))
        secrets = _session().client("secretsmanager", endpoint_url=self.s3)
        for name, role in _ROLES.items():
            secrets.create_secret(Name=f"{_PREFIX}/{name}", SecretString=self._connection(role))

    def _connection(self, role: str) -> str:
        place = {"host": self.host, "port": self.warehouse_port, "schema": "warehouse"}
        login = {"login": role, "password": PASSWORD, "extra": {"sslmode": "disable"}}
        return json.dumps({"conn_type": "postgres", **place, **login})


@contextmanager
def own_servers(folder: Path) -> Iterator[OwnServers]:
    """Start the servers on the address that this machine has for its containers."""
    subnet = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}")
    host = str(ip_network(subnet.stdout.strip())[1])  # of this machine, by default
    images = {image.partition(":")[0]: image for image in base_images()}
    volumes = [
        f"{ROOT}/deploy/postgres/{name}:/docker-entrypoint-initdb.d/{number}-{name}:ro"
        for number, name in enumerate(_SCRIPTS, 1)
    ]
    password = folder / "password"
    password.write_text(PASSWORD)
    volumes.append(f"{password}:/password:ro")
    logins = {"POSTGRES_DB": "warehouse", "POSTGRES_PASSWORD_FILE": "/password", "OWNER": "owner"}
    logins |= {"OWNER_RIGHT": "createrole", "OWNER_PASSWORD_FILE": "/password"}
    with (
        _container(images["postgres"], host, 5432, logins, volumes) as warehouse_port,
        _container(
            images["ministackorg/ministack"], host, 4566, {"SERVICES": "s3,secretsmanager"}
        ) as s3_port,
        running(stand_in(100, 1, host)) as api,
    ):
        own = OwnServers(host, warehouse_port, f"http://{host}:{s3_port}", api.url)
        wait_for(lambda: _is_up(own), bool, 60)
        own.prepare()
        yield own


@contextmanager
def _container(
    image: str, host: str, port: int, env: dict[str, str], volumes: list[str] | None = None
) -> Iterator[int]:
    """Run an image. Yield the port of this machine that leads to its port."""
    name = f"elt-own-{os.getpid()}-{port}"
    values = [f"--env={key}={value}" for key, value in env.items()]
    mounts = [f"--volume={volume}" for volume in volumes or []]
    run = ("run", "--detach", "--rm", "--name", name, "--publish", f"{host}::{port}")
    started = docker(*run, *values, *mounts, image)
    assert started.returncode == 0, started.stderr
    try:
        yield int(docker("port", name, str(port)).stdout.strip().rpartition(":")[2])
    finally:
        assert docker("rm", "--force", "--volumes", name).returncode == 0


def _is_up(own: OwnServers) -> bool:
    """Create the bucket, and log in to the warehouse."""
    try:
        create_landing(_session(), BUCKET, None, endpoint_url=own.s3)
        psycopg.connect(own.dsn("owner"), connect_timeout=2).close()
    except (BotoCoreError, psycopg.OperationalError):
        return False
    return True


def _session() -> boto3.Session:
    return boto3.Session(LOGIN, LOGIN, region_name=REGION)
