"""Airflow's processes on loopback, with a LocalExecutor or Celery workers, metadata in Postgres.

Invariant: all processes share one environment. Credentials are connections in JSON form.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from local.broker import broker_url
from local.bucket import QUEUE
from local.ministack import LOGIN, REGION, MiniStack
from local.processes import ManagedProcess
from local.state import BUCKET, ROOT, StackState
from scripts.errors import ConfigurationError, UnavailableError
from scripts.settings import Endpoint, api_from_env
from sources import SOURCES

# The api-server reads the log files directly. A log server would listen on every interface.
COMPONENTS = {
    "api-server": [],
    "scheduler": ["--skip-serve-logs"],
    "dag-processor": [],
    "triggerer": ["--skip-serve-logs"],
}
_WORKER = ["celery", "worker", "--skip-serve-logs", "--without-mingle", "--without-gossip"]
ADMIN = "admin"
PROGRAM = str(Path(sys.executable).parent / "airflow")
VIEWER = "watch"
# The developer's Airflow and AWS settings must not leak in. AIRFLOW_VAR_* may, for experiments.
_NOT_INHERITED = ("AIRFLOW_HOME", "AIRFLOW_CONN_", "AIRFLOW__", "AWS_", "PYTHONDONTWRITEBYTECODE")


def airflow_url(state: StackState) -> str:
    """Return the URL of Airflow's UI and REST API."""
    return f"http://127.0.0.1:{state.ports.airflow}"


def api_url(state: StackState) -> str:
    """Return the base URL of the sample's posts: a real API or the stand-in."""
    return state.options.api or _stand_in_url(state)


def _stand_in_url(state: StackState) -> str:
    return f"http://127.0.0.1:{state.ports.api}"


def components(folder: Path, state: StackState) -> dict[str, ManagedProcess]:
    """Return Airflow's processes by name."""
    env = environment(folder, state)
    commands = {name: [name, *options] for name, options in COMPONENTS.items()}
    for number in range(1, state.options.workers + 1):
        name = f"worker-{number}"
        commands[name] = [*_WORKER, "--celery-hostname", f"{name}@%h"]
    return {
        name: ManagedProcess(name, [PROGRAM, *command], env, folder / "logs")
        for name, command in commands.items()
    }


def migrate_metadata(folder: Path, state: StackState) -> None:
    """Create or upgrade Airflow's metadata tables, once for each Airflow version."""
    home = folder / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    passwords = home / "passwords.json"
    passwords.touch(mode=0o600)
    users = {ADMIN: state.secrets.airflow_admin, VIEWER: state.secrets.airflow_viewer}
    passwords.write_text(json.dumps(users))
    if state.migrated_airflow == version("apache-airflow"):
        return
    done = subprocess.run(
        [PROGRAM, "db", "migrate"],
        env=environment(folder, state),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UnavailableError(f"airflow db migrate failed:\n{done.stderr[-2000:]}")
    state.migrated_airflow = version("apache-airflow")


def environment(folder: Path, state: StackState) -> dict[str, str]:
    """Return the environment that all Airflow processes share."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }
    return {
        **inherited,
        **_pipeline(folder, state),
        **{f"AIRFLOW_CONN_{k}": json.dumps(v) for k, v in _connections(folder, state).items()},
        **{
            f"AIRFLOW__{k}": str(v)
            for k, v in {**_configuration(folder, state), **_executor(state)}.items()
        },
        "AIRFLOW_HOME": str(folder / "airflow"),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'deploy' / 'airflow'}",
        "PIPELINE_LOCAL_DIR": str(folder),
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
        **_overrides(),
    }


def _overrides() -> dict[str, str]:
    """Return the variables with which PIPELINE_LOCAL_AIRFLOW_ENV overrides the environment."""
    text = os.environ.get("PIPELINE_LOCAL_AIRFLOW_ENV") or "{}"
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"PIPELINE_LOCAL_AIRFLOW_ENV: {error}") from None


def _pipeline(folder: Path, state: StackState) -> dict[str, str]:
    """Return the pipeline's settings. Variables that the developer has set take precedence."""
    ours = {
        "PIPELINE_LANDING_QUEUE_URL": MiniStack(state.ports.s3, folder).queue_url(QUEUE),
        "PIPELINE_ALERT_EMAIL": "on-call@example.com",
        "PIPELINE_RETRY_DELAY_SECONDS": "2",
        "PIPELINE_ALLOW_PRIVATE_API": "true",  # the stand-in has a private address
    }
    if not tasks_inherit_dbt():
        ours["PIPELINE_DBT_SINGLE_TASK"] = "true"
    return {name: os.environ.get(name, value) for name, value in ours.items()} | {
        "LANDING_BUCKET": BUCKET
    }


def tasks_inherit_dbt() -> bool:
    """Return whether a task gets dbt from the process that starts it, instead of loading it."""
    return platform.system() != "Darwin"  # Airflow forks there, and then starts Python anew


def apis(state: StackState) -> dict[str, Endpoint]:
    """Return where each declared API is, by connection, as the developer's environment says it.

    Without a word about them there, the APIs of the sample are the stand-in.

    Raises:
        ConfigurationError: an API has no address.
    """
    found: dict[str, Endpoint] = {}
    for api in {source.api.name: source.api for source in SOURCES.values()}.values():
        variable = api.connection.upper()
        is_told = {f"{variable}_URL", f"AIRFLOW_CONN_{variable}"} & set(os.environ)
        stand_in = None if is_told else _stand_ins(state).get(api.name)
        found[variable] = Endpoint(stand_in) if stand_in else api_from_env(api)
    return found


def _stand_ins(state: StackState) -> dict[str, str]:
    """Return where the APIs of the sample are, by name."""
    return {"posts": api_url(state), "earthquakes": _stand_in_url(state)}


def declared(state: StackState) -> str:
    """Return a checksum of what is declared: the running Airflow read it when it started."""
    digest = sha256(repr(_apis(state)).encode())
    for folder in (ROOT / "sources", ROOT / "dbt" / "models"):
        for path in sorted(path for path in folder.rglob("*.*") if "__pycache__" not in path.parts):
            digest.update(f"{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _apis(state: StackState) -> dict[str, Mapping[str, Any]]:
    try:
        found = apis(state)
    except ConfigurationError:  # `up` has refused it. The other commands do without.
        return {}
    return {name: _http(endpoint) for name, endpoint in found.items()}


def _http(endpoint: Endpoint) -> Mapping[str, Any]:
    login, password = endpoint.login or (None, endpoint.secret)
    extra = {"headers": dict(endpoint.headers), "refresh_token": endpoint.refresh_token}
    return {
        "conn_type": "http",
        "host": endpoint.url,
        "login": login,
        "password": password,
        "extra": {name: value for name, value in extra.items() if value},
    }


def _connections(folder: Path, state: StackState) -> dict[str, Mapping[str, Any]]:
    postgres = {
        "conn_type": "postgres",
        "host": "127.0.0.1",
        "port": state.ports.postgres,
        "schema": "warehouse",
    }
    return {
        **_apis(state),
        "AWS_DEFAULT": {
            "conn_type": "aws",
            "login": LOGIN,
            "password": LOGIN,
            "extra": {
                "endpoint_url": MiniStack(state.ports.s3, folder).endpoint,
                "region_name": REGION,
            },
        },
        "WAREHOUSE": {**postgres, "login": "loader", "password": state.secrets.loader},
        "DBT_POSTGRES_CONN": {
            **postgres,
            "login": "transformer",
            "password": state.secrets.transformer,
        },
        "WAREHOUSE_READER": {**postgres, "login": "reader", "password": state.secrets.reader},
        "AIRFLOW_API": {
            "conn_type": "http",
            "host": airflow_url(state),
            "login": VIEWER,
            "password": state.secrets.airflow_viewer,
        },
        "SLACK_ALERTS": {
            "conn_type": "slackwebhook",
            "host": f"http://127.0.0.1:{state.ports.slack}",
            "password": "local/stand-in/webhook",  # pragma: allowlist secret - a stand-in
        },
        "SMTP_DEFAULT": {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": state.ports.smtp,
            "extra": {
                "disable_ssl": True,
                "disable_tls": True,
                "from_email": "pipeline@example.com",
                "timeout": 5,
                "retry_limit": 1,
            },
        },
    }


def _configuration(folder: Path, state: StackState) -> dict[str, object]:
    home = folder / "airflow"
    return {
        "CORE__DAGS_FOLDER": ROOT / "dags",
        "CORE__PLUGINS_FOLDER": ROOT / "deploy" / "airflow" / "plugins",
        "CORE__LOAD_EXAMPLES": False,
        "CORE__PARALLELISM": 4,
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
        "CORE__FERNET_KEY": state.secrets.fernet,
        "CORE__EXECUTION_API_SERVER_URL": f"{airflow_url(state)}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin,{VIEWER}:viewer",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": home / "passwords.json",
        "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{_metadata(state)}",
        "API__HOST": "127.0.0.1",
        "API__PORT": state.ports.airflow,
        "API__BASE_URL": airflow_url(state),
        "API__WORKERS": 1,
        "API__SECRET_KEY": state.secrets.api,
        "API_AUTH__JWT_SECRET": state.secrets.jwt,
        "SCHEDULER__ENABLE_HEALTH_CHECK": False,
        "DAG_PROCESSOR__REFRESH_INTERVAL": 10,
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 300,  # changed files are parsed immediately
        "LOGGING__BASE_LOG_FOLDER": folder / "logs" / "tasks",
        "USAGE_DATA_COLLECTION__ENABLED": False,
        "COSMOS__ENABLE_TELEMETRY": False,
        "COSMOS__CACHE_DIR": folder / "cosmos",
    }


def _executor(state: StackState) -> dict[str, object]:
    """Return the executor's settings: tasks run beside the scheduler or in Celery workers."""
    if not state.options.workers:
        # From 3.14 on Python starts a server to fork from, which has loaded nothing.
        start = {"SCHEDULER__MP_START_METHOD": "fork"} if tasks_inherit_dbt() else {}
        return {
            "CORE__EXECUTOR": "prompt_executor.PromptLocalExecutor",
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0,  # the executor waits instead
            **start,
        }
    return {
        "CORE__EXECUTOR": "CeleryExecutor",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.3,
        "CELERY__BROKER_URL": broker_url(state),
        "CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://{_metadata(state)}",
        "CELERY__WORKER_CONCURRENCY": 2,
        "CELERY__WORKER_PREFETCH_MULTIPLIER": 1,  # no task waits behind a long one
        # Airflow notices a dead worker after this many seconds and retries its tasks elsewhere.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": 30,
    }


def _metadata(state: StackState) -> str:
    return f"airflow:{state.secrets.metadata}@127.0.0.1:{state.ports.postgres}/airflow"
