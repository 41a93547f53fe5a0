"""Airflow's api-server alone, with the health page. Invariant: it stops when the block ends.

Its metadata is a separate SQLite file, because no DAG runs here and the server only serves pages.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests
from psycopg.conninfo import conninfo_to_dict

from benchmarks.measure import ROOT
from local.processes import ManagedProcess, free_port, is_listening

_OURS = ROOT / "deploy" / "airflow"
_PASSWORDS = {"admin": "admin-pw", "watch": "watch-pw"}
_READY_SECONDS = 120
_ANSWER_SECONDS = 30


@dataclass(frozen=True)
class ApiServer:
    """A running api-server with the users ``admin`` and ``watch`` (read only)."""

    url: str
    managed: ManagedProcess

    def login(self, user: str, password: str = "") -> str:
        """Return a fresh token of a user."""
        body = {"username": user, "password": password or _PASSWORDS[user]}
        answer = requests.post(f"{self.url}/auth/token", json=body, timeout=_ANSWER_SECONDS)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def get(self, path: str, token: str | None = None, **options: Any) -> requests.Response:
        """Request a path as a browser with this token does."""
        cookies = {"_token": token} if token else {}
        return requests.get(
            f"{self.url}{path}", cookies=cookies, timeout=_ANSWER_SECONDS, **options
        )

    def process(self) -> psutil.Process:
        """Return its process."""
        process = self.managed.process()
        if process is None:
            raise RuntimeError(
                f"the api-server has stopped. The end of its log:\n{self.managed.tail()}"
            )
        return process


@contextmanager
def api_server(
    home: Path, reader_dsn: str, settings: Mapping[str, Any], *, fab_url: str = ""
) -> Iterator[ApiServer]:
    """Serve Airflow from an empty folder, with `settings` as the Variable ``pipeline``.

    With `fab_url`, an SQLAlchemy URL for the metadata, the logins are those of the FAB auth manager
    and made as the deployment makes them.
    """
    port = free_port()
    env = _environment(home, port, reader_dsn, settings)
    program = str(Path(sys.executable).with_name("airflow"))
    prepare = [program, "db", "migrate"]
    if fab_url:
        env |= fab_environment(fab_url)
        prepare = [sys.executable, "-m", "initialise"]
    subprocess.run(prepare, env=env, check=True, capture_output=True)
    managed = ManagedProcess("api-server", [program, "api-server"], env, home / "logs")
    managed.start()
    try:
        managed.wait_until(lambda: is_listening(port), _READY_SECONDS)
        yield ApiServer(f"http://127.0.0.1:{port}", managed)
    finally:
        managed.stop()


def fab_environment(url: str) -> dict[str, str]:
    """Return what ``python -m initialise`` and the server read in the deployment."""
    return {
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        ),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "PIPELINE_ADMIN_USER": "admin",
        "PIPELINE_ADMIN_PASSWORD": _PASSWORDS["admin"],
        "PIPELINE_VIEWER_PASSWORD": _PASSWORDS["watch"],
    }


def _environment(
    home: Path, port: int, reader_dsn: str, settings: Mapping[str, Any]
) -> dict[str, str]:
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps(_PASSWORDS))
    parts = conninfo_to_dict(reader_dsn)
    reader = {
        "conn_type": "postgres",
        "host": parts["host"],
        "port": int(str(parts["port"])),
        "schema": parts["dbname"],
        "login": parts["user"],
        "password": parts["password"],
    }
    configuration = {
        "CORE__PLUGINS_FOLDER": _OURS / "plugins",
        "CORE__DAGS_FOLDER": home / "dags",
        "CORE__LOAD_EXAMPLES": False,
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,watch:viewer",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": passwords,
        "API__HOST": "127.0.0.1",
        "API__PORT": port,
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__WORKERS": 1,
        "API__SECRET_KEY": "s" * 32,
        "API_AUTH__JWT_SECRET": "j" * 64,
    }
    return {
        **os.environ,
        **{f"AIRFLOW__{name}": str(value) for name, value in configuration.items()},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_WAREHOUSE_READER": json.dumps(reader),
        "AIRFLOW_VAR_PIPELINE": json.dumps(dict(settings)),
        "PIPELINE_ENVIRONMENT": "test",
        "PYTHONPATH": f"{ROOT}:{_OURS}",
    }
