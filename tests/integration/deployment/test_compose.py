"""The guarantees of the deployment, checked on docker-compose.yaml as Compose parses it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.dotenv import main as write_dotenv
from scripts.settings import Deployment

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


def compose(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Compose in a folder, without our variables in its environment."""
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
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )


def parsed(folder: Path, profiles: str) -> dict[str, Any]:
    write_dotenv(profiles, folder)
    if "local" not in profiles:
        with (folder / ".env").open("a") as file:
            file.write(_TERRAFORM)  # as `terraform output -raw env >> .env` does
    done = compose(folder, "config", "--format", "json")
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


def test_all_of_airflow_shares_one_environment(everything: dict[str, Any]) -> None:
    scheduler = everything["scheduler"]["environment"]
    for name in ("api-server", "dag-processor", "triggerer", "worker"):
        assert everything[name]["environment"] == scheduler, name
    assert scheduler["AIRFLOW__CORE__AUTH_MANAGER"].endswith(".FabAuthManager")
    assert len(scheduler["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 32


def test_tasks_cannot_become_the_warehouse_s_owner(everything: dict[str, Any]) -> None:
    environments = {name: service.get("environment", {}) for name, service in everything.items()}
    owners = {name for name, env in environments.items() if "owner:" in json.dumps(env)}
    assert owners == {"warehouse-init"}
    admins = {name for name, env in environments.items() if "PIPELINE_ADMIN_PASSWORD" in env}
    assert admins == {"airflow-init"}


def test_settings_have_one_name_everywhere(everything: dict[str, Any]) -> None:
    """Compose, the example, the local stack and our code use the same names of settings."""
    text = (_ROOT / "docker-compose.yaml").read_text()
    example = set(re.findall(r"^(\w+)=", (_ROOT / ".env.example").read_text(), re.MULTILINE))
    asked = set(re.findall(r"\$\{(\w+)[:}]", text)) | {
        name for name in everything["scheduler"]["environment"] if name.startswith("PIPELINE_")
    }
    assert asked - example == set()

    local = (_ROOT / "local" / "airflow.py").read_text()
    for conn_id in re.findall(r'^        "([A-Z_]+)": \{$', local, re.MULTILINE):
        assert f"AIRFLOW_CONN_{conn_id}" in everything["scheduler"]["environment"]
    for name, field in Deployment.model_fields.items():
        variable = field.validation_alias or f"PIPELINE_{name.upper()}"
        assert variable in everything["scheduler"]["environment"], variable


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
    assert yaml.safe_load((_ROOT / "docker-compose.yaml").read_text())["x-airflow"]["build"] == "."
