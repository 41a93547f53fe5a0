"""Write .env from .env.example with new secrets. Invariant: no line of a file is ever changed.

The file has every setting that docker-compose.yaml needs. Profiles add stand-ins and workers, or
remove the warehouse. What a file of an earlier release lacks is appended. The secrets of the
servers are files in .secrets/.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from dotenv import dotenv_values

from local.bucket import QUEUE
from local.ministack import LOGIN
from local.secret_files import write_secrets
from local.state import ROOT, new_secret
from scripts.cli import run_cli
from scripts.errors import ConfigurationError

_PROFILES = {"local", "celery", "managed"}
_MANAGED = {"COMPOSE_FILE": "docker-compose.yaml:deploy/managed_warehouse.yaml"}
_CELERY = {"PIPELINE_EXECUTOR": "CeleryExecutor", "PIPELINE_SCHEDULER_CONNECTION": ""}
_PRIVATE = {"sslmode": "disable"}  # between containers of one network, and said on purpose
_SECRETS = ("PIPELINE_ADMIN_PASSWORD", "PIPELINE_VIEWER_PASSWORD")
_SECRETS_OF_ROLES = (
    "PIPELINE_LOADER_PASSWORD",
    "PIPELINE_READER_PASSWORD",
    "PIPELINE_TRANSFORMER_PASSWORD",
)


def dotenv(example: str, profiles: set[str], owner_password: str) -> str:
    """Return the example's text with a value for every setting that the stack needs to start.

    `owner_password` is of the warehouse's owner.
    """
    values = _values(profiles, {}, owner_password)
    lines = []
    for line in example.splitlines():
        name, equals, _ = line.removeprefix("# ").partition("=")
        lines.append(_line(name, values.pop(name)) if equals and name in values else line)
    if values:
        raise ConfigurationError(f".env.example lacks {', '.join(sorted(values))}: add them")
    return "\n".join(lines) + "\n"


def missing(
    path: Path, known: Mapping[str, str], profiles: set[str], owner_password: str
) -> list[str]:
    """Return the lines that a file with `known` settings lacks, made with the secrets that it has.

    Raises:
        ConfigurationError: the file is for other profiles.
    """
    present = {name for name in known.get("COMPOSE_PROFILES", "").split(",") if name}
    if profiles and profiles != present:
        raise ConfigurationError(
            f"{path} is for {','.join(sorted(present)) or 'no profile'}. The volumes have its "
            "passwords, so it is not written again: change COMPOSE_PROFILES in it, or delete both"
        )
    values = _values(present, known, owner_password)
    return [_line(name, value) for name, value in values.items() if name not in known]


def _line(name: str, value: str) -> str:
    # Between single quotes Compose and a shell change nothing. Our values contain none.
    return f"{name}='{value}'"


def _values(profiles: set[str], known: Mapping[str, str], owner_password: str) -> dict[str, str]:
    """Return every value that is not in the example, with the secrets that are known."""
    is_managed = "managed" in profiles
    names = _SECRETS if is_managed else (*_SECRETS, *_SECRETS_OF_ROLES)
    values = {name: known.get(name) or new_secret() for name in names}
    values |= _MANAGED if is_managed else _warehouse(values, owner_password)
    values["AIRFLOW_CONN_AIRFLOW_API"] = _json(
        conn_type="http",
        host="http://api-server:8080",
        login="watch",
        password=values["PIPELINE_VIEWER_PASSWORD"],
    )
    if "local" in profiles:
        values |= _stand_ins()
    if "celery" in profiles:
        values |= _CELERY
    values["COMPOSE_PROFILES"] = ",".join(sorted(profiles))
    return values


def _warehouse(passwords: dict[str, str], owner_password: str) -> dict[str, str]:
    def connection(role: str) -> str:
        return _json(
            conn_type="postgres",
            host="warehouse",
            port=5432,
            schema="warehouse",
            login=role,
            password=passwords[f"PIPELINE_{role.upper()}_PASSWORD"],
            extra=_PRIVATE,
        )

    owner = f"owner:{owner_password}"
    return {
        "PIPELINE_WAREHOUSE_ADMIN_DSN": f"postgresql://{owner}@warehouse:5432/warehouse?sslmode=disable",
        "AIRFLOW_CONN_WAREHOUSE": connection("loader"),
        "AIRFLOW_CONN_DBT_POSTGRES_CONN": connection("transformer"),
        "AIRFLOW_CONN_WAREHOUSE_READER": connection("reader"),
    }


def _stand_ins() -> dict[str, str]:
    """Return the settings that point to the stand-ins of the profile local."""
    s3 = "http://ministack:4566"
    extra = {"region_name": "eu-central-1", "endpoint_url": s3}
    plain = {"disable_ssl": True, "disable_tls": True, "from_email": "pipeline@example.com"}
    return {
        "LANDING_BUCKET": "landing",
        "PIPELINE_LANDING_QUEUE_URL": f"{s3}/000000000000/{QUEUE}",
        "PIPELINE_ALLOW_PRIVATE_API": "true",
        "PIPELINE_ENVIRONMENT": "local",
        "PIPELINE_ALERT_EMAIL": "on-call@example.com",
        "AIRFLOW_CONN_POSTS_API": _json(conn_type="http", host="http://api:8000"),
        "AIRFLOW_CONN_EARTHQUAKES_API": _json(conn_type="http", host="http://api:8000"),
        "AIRFLOW_CONN_AWS_DEFAULT": _json(
            conn_type="aws",
            login=LOGIN,
            password=LOGIN,
            extra=extra,
        ),
        "AIRFLOW_CONN_SMTP_DEFAULT": _json(conn_type="smtp", host="mail", port=1025, extra=plain),
    }


def _json(**parts: Any) -> str:
    return json.dumps(parts)


def main(
    profiles: Annotated[str, typer.Option(help="local, celery, managed, separated by commas")] = "",
    folder: Annotated[Path, typer.Option(help="folder for .env")] = ROOT,
) -> None:
    """Write .env with new passwords and keys. Only its owner can read it."""
    chosen = {profile.strip() for profile in profiles.split(",") if profile.strip()}
    if unknown := chosen - _PROFILES:
        raise ConfigurationError(
            f"unknown profile {', '.join(unknown)}: use local, celery or managed"
        )
    path = folder / ".env"
    known = {n: value or "" for n, value in dotenv_values(path, interpolate=False).items()}
    owner_password = write_secrets(folder, known)["warehouse_password"]
    if path.exists():
        new = missing(path, known, chosen, owner_password)
        with path.open("a") as file:
            file.writelines(f"{line}\n" for line in new)
        names = ", ".join(line.partition("=")[0] for line in new)
        typer.echo(f".env exists: added {names}" if new else ".env exists and lacks nothing")
        return
    text = dotenv((ROOT / ".env.example").read_text(), chosen, owner_password)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    typer.echo("wrote .env and .secrets/: log in as admin with the PIPELINE_ADMIN_PASSWORD of .env")


if __name__ == "__main__":
    run_cli(main)
