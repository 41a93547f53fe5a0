"""The guarantees of the deployment, checked on docker-compose.yaml as Compose parses it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.dotenv import main as write_dotenv
from scripts.settings import Deployment
from tests.documents import dotenv_settings

pytestmark = pytest.mark.integration

_ROOT = Path(__file__).parents[3]
_COMPOSE = Path(sys.executable).with_name("docker-compose")
_PROFILES = ["", "local", "celery", "local,celery"]
_ONE_SHOT = {"airflow-init", "warehouse-init", "ministack-init"}
_ALWAYS = {
    "metadata",
    "warehouse",
    "warehouse-init",
    "airflow-init",
    "api-server",
    "scheduler",
    "dag-processor",
    "triggerer",
}
_ADDED = {
    "": set[str](),
    "local": {"ministack", "ministack-init", "api", "mail"},
    "celery": {"broker", "worker"},
}
_TERRAFORM = "LANDING_BUCKET=of-terraform\n"


def compose(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Compose in a folder. Of our variables its environment has only `more`."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIPELINE_", "AIRFLOW", "LANDING_", "AWS_", "COMPOSE_"))
    }
    return subprocess.run(
        [
            _COMPOSE,
            "--file",
            str(_ROOT / "docker-compose.yaml"),
            "--project-directory",
            str(folder),
            *arguments,
        ],
        env=clean | more,
        capture_output=True,
        text=True,
        check=False,
    )


def parsed(folder: Path, profiles: str) -> dict[str, Any]:
    write_dotenv(profiles, folder)
    if "local" not in profiles:
        with (folder / ".env").open("a") as file:
            file.write(_TERRAFORM)  # as `terraform output -raw env >> .env` does
    more = (
        ["--file", str(_ROOT / "deploy" / "managed_warehouse.yaml")]
        if "managed" in profiles
        else []
    )
    done = compose(folder, *more, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no variable is unset, no option is obsolete
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    services: dict[str, Any] = parsed(tmp_path_factory.mktemp("env"), "local,celery")["services"]
    return services


@pytest.mark.parametrize("profiles", _PROFILES)
def test_every_profile_is_valid_with_what_make_env_writes(tmp_path: Path, profiles: str) -> None:
    services = parsed(tmp_path, profiles)["services"]
    assert set(services) == _ALWAYS.union(*(_ADDED[name] for name in profiles.split(",")))
    environment = services["scheduler"]["environment"]
    executor, rest = "prompt_executor.PromptLocalExecutor", "0"
    if "celery" in profiles:
        executor, rest = "CeleryExecutor", "0.3"
    assert environment["AIRFLOW__CORE__EXECUTOR"] == executor
    assert environment["AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME"] == rest
    assert environment["LANDING_BUCKET"] == ("landing" if "local" in profiles else "of-terraform")


def test_a_managed_warehouse_needs_no_password_of_it(tmp_path: Path) -> None:
    services = parsed(tmp_path, "managed")["services"]
    assert set(services) == _ALWAYS - {"warehouse", "warehouse-init"}
    for service in services.values():
        environment = service["environment"]
        assert {v for name, v in environment.items() if name.startswith("AIRFLOW_CONN_WARE")} <= {
            ""
        }
        assert not environment.get("AIRFLOW_CONN_DBT_POSTGRES_CONN")
    settings = dotenv_settings((tmp_path / ".env").read_text())
    assert settings["COMPOSE_FILE"] == "docker-compose.yaml:deploy/managed_warehouse.yaml"
    made = {name for name, value in settings.items() if "PASSWORD" in name and value}
    assert made == {"PIPELINE_ADMIN_PASSWORD", "PIPELINE_VIEWER_PASSWORD"}


def test_a_value_between_quotes_arrives_unchanged(tmp_path: Path) -> None:
    value = """{"password": "a$HOME ${HOME} $$ #b \\n"}"""
    write_dotenv("local", tmp_path)
    text = (tmp_path / ".env").read_text()
    assert "AIRFLOW_CONN_SLACK_ALERTS=''" in text
    text = text.replace("AIRFLOW_CONN_SLACK_ALERTS=''", f"AIRFLOW_CONN_SLACK_ALERTS='{value}'")
    (tmp_path / ".env").write_text(text)
    done = compose(tmp_path, "config", "--format", "json")
    scheduler = json.loads(done.stdout)["services"]["scheduler"]["environment"]
    # `config` doubles each dollar sign, so that its output can be read again.
    assert scheduler["AIRFLOW_CONN_SLACK_ALERTS"].replace("$$", "$") == value


def test_nothing_starts_without_secrets(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((_ROOT / ".env.example").read_text())
    done = compose(tmp_path, "config", "--quiet")
    assert done.returncode != 0
    assert "make env" in done.stderr


def test_every_service_restarts_is_limited_and_logs_in_turns(everything: dict[str, Any]) -> None:
    for name, service in everything.items():
        wanted = "on-failure:3" if name in _ONE_SHOT else "unless-stopped"
        assert service["restart"] == wanted, name
        assert int(service["mem_limit"]) <= 4 * 1024**3, name
        assert 0 < service["pids_limit"] <= 512, name
        assert service["stop_grace_period"], name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name


def test_every_service_notices_a_peer_that_is_gone(everything: dict[str, Any]) -> None:
    """A connection whose other end vanished without a word hung the scheduler for two hours."""
    for name, service in everything.items():
        found = service["sysctls"]
        kept = [
            int(found[f"net.ipv4.tcp_keepalive_{part}"]) for part in ("time", "intvl", "probes")
        ]
        assert kept[0] + kept[1] * kept[2] <= 60, name


def test_every_service_is_hardened(everything: dict[str, Any]) -> None:
    for name, service in everything.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["tmpfs"], name
        assert not {"privileged", "network_mode", "pid", "ipc"} & service.keys(), name
        added = service.get("cap_add", [])
        assert not added or name in {"metadata", "warehouse"}, name


def test_every_service_is_healthy_before_another_needs_it(everything: dict[str, Any]) -> None:
    for name, service in everything.items():
        health = service["healthcheck"]
        assert health.get("disable", False) is (name in _ONE_SHOT), name
        assert name in _ONE_SHOT or health["test"], name
        for needed, how in (service.get("depends_on") or {}).items():
            ends = needed in _ONE_SHOT
            wanted = "service_completed_successfully" if ends else "service_healthy"
            assert how["condition"] == wanted, (name, needed)
    for name in ("api-server", "scheduler", "dag-processor", "triggerer", "worker"):
        needs = everything[name]["depends_on"]
        assert {"airflow-init", "warehouse-init", "metadata"} <= needs.keys(), name
    assert "broker" in everything["worker"]["depends_on"]


def test_nothing_listens_beyond_this_host(everything: dict[str, Any]) -> None:
    published = [port for service in everything.values() for port in service.get("ports", [])]
    assert len(published) == 4
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_images_are_pinned_and_postgres_is_new_enough(everything: dict[str, Any]) -> None:
    images = {service["image"] for service in everything.values()}
    for image in images - {"elt-pipeline:local"}:
        assert re.search(r":v?\d+\.\d+", image), image
    for name in ("metadata", "warehouse"):
        assert int(re.findall(r"postgres:(\d+)", everything[name]["image"])[0]) >= 17


_TASKS = {
    "AIRFLOW_CONN_AIRFLOW_API",
    "AIRFLOW_CONN_AWS_DEFAULT",
    "AIRFLOW_CONN_DBT_POSTGRES_CONN",
    "AIRFLOW_CONN_EARTHQUAKES_API",
    "AIRFLOW_CONN_POSTS_API",
    "AIRFLOW_CONN_SMTP_DEFAULT",
    "AIRFLOW_CONN_WAREHOUSE",
}
_METADATA = {"metadata_conn", "fernet_key"}
_CELERY = {"broker_url", "result_backend"}
_ROLES = {f"PIPELINE_{role}_PASSWORD" for role in ("LOADER", "TRANSFORMER", "READER")}
_AWS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
_CREDENTIALS = {
    "metadata": {"superuser_password", "metadata_password", "results_password"},
    "warehouse": {"superuser_password", "warehouse_password"},
    "warehouse-init": {"PIPELINE_WAREHOUSE_ADMIN_DSN", *_ROLES},
    "airflow-init": {*_METADATA, "PIPELINE_ADMIN_PASSWORD", "PIPELINE_VIEWER_PASSWORD"},
    "api-server": {
        *_METADATA,
        "jwt_key",
        "api_secret_key",
        "AIRFLOW_CONN_WAREHOUSE_READER",
    },
    "dag-processor": _METADATA | _TASKS,
    "triggerer": {*_METADATA, "AIRFLOW_CONN_AWS_DEFAULT"},
    "ministack": set[str](),
    "ministack-init": _AWS,
    "api": set[str](),
    "mail": set[str](),
}
_OF_EXECUTOR = {
    "local": {"scheduler": _METADATA | _CELERY | _TASKS | {"jwt_key"}},
    "local,celery": {
        "scheduler": _METADATA | _CELERY | {"jwt_key"},
        "worker": _TASKS | _CELERY,
        "broker": {"broker_password"},
    },
}


@pytest.mark.parametrize("profiles", _OF_EXECUTOR)
def test_each_component_has_the_credentials_that_it_uses(tmp_path: Path, profiles: str) -> None:
    secret = re.compile("PASSWORD|SECRET|FERNET|JWT|_CONN(_|$)|_DSN|BROKER_URL|RESULT_BACKEND|AWS_")
    harmless = {"PIPELINE_INGEST_AWS_CONN_ID", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"}
    found = {
        name: {
            variable
            for variable, value in (service.get("environment") or {}).items()
            if value
            and secret.search(variable)
            and "/run/secrets/" not in value
            and variable not in harmless
        }
        | {mount["source"] for mount in service.get("secrets", [])}
        for name, service in parsed(tmp_path, profiles)["services"].items()
    }
    assert found == _CREDENTIALS | _OF_EXECUTOR[profiles]


def test_a_file_that_a_service_reads_is_mounted_there(everything: dict[str, Any]) -> None:
    for name, service in everything.items():
        text = json.dumps([service.get(part) for part in ("environment", "command", "healthcheck")])
        read = set(re.findall(r"/run/secrets/(\w+)", text))
        assert read == {mount["source"] for mount in service.get("secrets", [])}, name


def test_the_keys_of_the_shell_stay_out_of_the_containers(tmp_path: Path) -> None:
    write_dotenv("local", tmp_path)
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    done = compose(tmp_path, "config", **dict.fromkeys(names, "pl4nted-of-the-shell"))
    assert done.returncode == 0
    assert "pl4nted-of-the-shell" not in done.stdout


def test_no_database_is_owned_by_a_superuser(everything: dict[str, Any]) -> None:
    for name in ("metadata", "warehouse"):
        environment = everything[name]["environment"]
        assert environment["OWNER"] not in {"", environment.get("POSTGRES_USER", "postgres")}
        assert environment["OWNER_PASSWORD_FILE"] != environment["POSTGRES_PASSWORD_FILE"]


def test_settings_have_one_name_everywhere(everything: dict[str, Any]) -> None:
    """Compose, the example, the local stack and our code use the same names of settings."""
    text = (_ROOT / "docker-compose.yaml").read_text()
    example = set(re.findall(r"^(?:# )?(\w+)=", (_ROOT / ".env.example").read_text(), re.MULTILINE))
    asked = set(re.findall(r"\$\{(\w+)[:}]", text)) | {
        name for name in everything["worker"]["environment"] if name.startswith("PIPELINE_")
    }
    assert asked - example == set()

    local = (_ROOT / "local" / "airflow.py").read_text()
    for conn_id in re.findall(r'^        "([A-Z_]+)": \{$', local, re.MULTILINE):
        service = "api-server" if conn_id == "WAREHOUSE_READER" else "worker"
        assert f"AIRFLOW_CONN_{conn_id}" in everything[service]["environment"]
    for name, field in Deployment.model_fields.items():
        variable = field.validation_alias or f"PIPELINE_{name.upper()}"
        assert variable in everything["worker"]["environment"], variable


def test_the_readme_names_only_settings_that_there_are() -> None:
    readme = (_ROOT / "README.md").read_text()
    named = set(re.findall(r"\b(?:PIPELINE|AIRFLOW_CONN|DBT)_[A-Z_]+\b", readme))
    example = (_ROOT / ".env.example").read_text()
    assert [name for name in named if f"{name}=" not in example] == []


def test_the_image_is_the_locked_environment_on_the_official_image() -> None:
    dockerfile = (_ROOT / "Dockerfile").read_text()
    assert "apache/airflow:slim-3.3.2-python3.12" in dockerfile
    assert dockerfile.count("--require-hashes") == 2
    assert re.findall(r"^USER (\w+)$", dockerfile, re.MULTILINE)[-1] == "50000"  # airflow
    copied = set(re.findall(r"^!(\S+)", (_ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert {path for path in copied if not (_ROOT / path).exists()} == set()


def test_one_service_builds_the_image_that_others_use(everything: dict[str, Any]) -> None:
    assert [name for name, service in everything.items() if "build" in service] == ["airflow-init"]
