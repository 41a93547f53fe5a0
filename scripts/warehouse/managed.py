"""The logins of a managed warehouse. Invariant: a password is only in its secret.

It is in no state of Terraform, no argument and no output. The secrets are those of
``terraform/modules/warehouse``: Airflow reads them through its SecretsManagerBackend.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import msgspec
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from psycopg.conninfo import make_conninfo

from scripts.errors import ConfigurationError, InvalidInputError, UnavailableError

_TRANSIENT = {"InternalServiceError", "ThrottlingException", "ServiceUnavailable"}


class Warehouse(msgspec.Struct):
    """Terraform's output ``warehouse``: where the database is, and its secrets by role."""

    host: str
    port: int
    database: str
    owner_secret_arn: str
    connection_secrets: dict[str, str]


class Login(msgspec.Struct):
    """A secret that RDS manages."""

    username: str
    password: str


class Connection(msgspec.Struct):
    """An Airflow connection as JSON."""

    host: str
    port: int
    schema: str
    login: str
    password: str
    extra: dict[str, str]
    conn_type: str = "postgres"


@dataclass(frozen=True)
class Logins:
    """Who may log in: the owner's DSN, and the connection of each role.

    Attributes:
        secrets: the name of the secret of each role.
        client: boto3's client of Secrets Manager.
    """

    owner: str
    connections: Mapping[str, Connection]
    secrets: Mapping[str, str]
    client: Any

    @property
    def passwords(self) -> dict[str, str]:
        """The password of each role."""
        return {role: connection.password for role, connection in self.connections.items()}

    def save(self) -> list[str]:
        """Write each connection into its secret, unless it is there. Return the written secrets."""
        names = self.secrets
        return [
            names[role]
            for role, connection in self.connections.items()
            if _write(self.client, names[role], connection)
        ]


def logins(
    warehouse: Warehouse, client: Any, options: Mapping[str, str], *, rotates: bool = False
) -> Logins:
    """Read who may log in. A role without a password gets one, which is not saved yet.

    Args:
        warehouse: where it is.
        client: boto3's client of Secrets Manager.
        options: libpq's TLS options of every connection.
        rotates: whether every role gets a new password.

    Raises:
        ConfigurationError: a secret is missing, is not readable, or is not what it should be.
        UnavailableError: Secrets Manager does not answer.
    """
    owner = _decoded(_read(client, warehouse.owner_secret_arn), Login, warehouse.owner_secret_arn)
    connections = {}
    for role, name in warehouse.connection_secrets.items():
        known = _read(client, name)
        kept = _decoded(known, Connection, name).password if known and not rotates else None
        password = kept or secrets.token_urlsafe(32)
        connections[role] = Connection(
            warehouse.host, warehouse.port, warehouse.database, role, password, dict(options)
        )
    dsn = make_conninfo(
        "",
        host=warehouse.host,
        port=warehouse.port,
        dbname=warehouse.database,
        user=owner.username,
        password=owner.password,
        **options,
    )
    return Logins(dsn, connections, warehouse.connection_secrets, client)


def secrets_manager() -> Any:
    """Return a client with the settings of the environment."""
    with _plain_errors("of AWS"):
        return boto3.client("secretsmanager")


def described(text: bytes) -> Warehouse:
    """Read Terraform's output ``warehouse``. Raises InvalidInputError if it is something else."""
    try:
        return msgspec.json.decode(text, type=Warehouse)
    except msgspec.MsgspecError as error:
        raise InvalidInputError(
            f"standard input is not the output `warehouse` of Terraform: {error}"
        ) from None


def _read(client: Any, name: str) -> str | None:
    """Return the text of a secret, or None if it has no value yet."""
    with _plain_errors(name):
        try:
            found: str | None = client.get_secret_value(SecretId=name).get("SecretString")
        except client.exceptions.ResourceNotFoundException:
            client.describe_secret(SecretId=name)  # it exists, or this raises the same error
            return None
        return found


def _write(client: Any, name: str, connection: Connection) -> bool:
    """Write a connection, unless the secret has it. Return whether it was written."""
    text = msgspec.json.encode(connection).decode()
    if _read(client, name) == text:
        return False
    with _plain_errors(name):
        client.put_secret_value(SecretId=name, SecretString=text)
    return True


def _decoded(text: str | None, kind: type[Any], name: str) -> Any:
    """Return the fields of a secret. Its value is in no error."""
    try:
        return msgspec.json.decode(text or "", type=kind)
    except msgspec.MsgspecError:
        raise ConfigurationError(
            f"secret {name} is not a JSON object with {', '.join(kind.__struct_fields__)}"
        ) from None


@contextmanager
def _plain_errors(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        kind = UnavailableError if code in _TRANSIENT else ConfigurationError
        raise kind(f"secret {name}: {error}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise UnavailableError(f"secret {name}: {error}") from error
