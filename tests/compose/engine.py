"""A container engine, and one start of docker-compose.yaml on it under its own name.

The base images come from their registries. Where none is reachable, PIPELINE_BASES names a program
that builds images with these names.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from local.processes import free_port
from local.rest import LocalAirflowApi
from local.state import ROOT
from tests.documents import dotenv_settings, link_set_up, run_readme

_PORTS = (
    "PIPELINE_AIRFLOW_PORT",
    "PIPELINE_WAREHOUSE_PORT",
    "PIPELINE_S3_PORT",
    "PIPELINE_MAIL_PORT",
)
IMAGE = "elt-pipeline:test"
_ENDS = re.compile(r"(?:\w+\.)*(\w*(?:Error|Exception|Timeout|Exit|Interrupt))(?::|$)")
_IMAGE = re.compile(r"^\s*(?:image: |FROM )([a-z/]+:[\w.-]+)", re.MULTILINE)


class NoEngineError(Exception):
    """A container engine is missing, or it cannot get the base images. The message says why."""


def docker(*arguments: str, seconds: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run Docker's program, for so many seconds at most."""
    command = ["docker", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except FileNotFoundError:
        raise NoEngineError("there is no program `docker`") from None


def prepare_engine() -> None:
    """Make sure that the engine answers and has every base image. Raises NoEngineError."""
    if docker("info").returncode:
        raise NoEngineError("no container engine answers (DOCKER_HOST)")
    missing = [image for image in base_images() if not _has(image)]
    if missing and (program := os.environ.get("PIPELINE_BASES")):
        subprocess.run([program], check=True)
        for image in missing:  # the program may build another version
            found = docker("image", "ls", "--quiet", image.partition(":")[0]).stdout.split()
            if found and not _has(image):
                docker("tag", found[0], image)
    for image in base_images():
        if not _has(image) and docker("pull", "--quiet", image).returncode:
            raise NoEngineError(f"the engine cannot get {image}: set PIPELINE_BASES")


def base_images() -> list[str]:
    """Return the images that the deployment starts from."""
    texts = [(ROOT / name).read_text() for name in ("docker-compose.yaml", "Dockerfile")]
    return sorted(set(_IMAGE.findall("\n".join(texts))))


def _has(image: str) -> bool:
    return docker("image", "inspect", image).returncode == 0


@dataclass(frozen=True)
class Added:
    """What a test adds to .env and, in the words of Compose, to services and volumes."""

    settings: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    volumes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Deployed:
    """A running deployment: its project, and the clients that the tests use."""

    folder: Path
    env: Mapping[str, str]
    settings: dict[str, str] = field(repr=False)
    seconds: float = 0  # from the command to healthy

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Compose on it."""
        return subprocess.run(
            ["docker", "compose", *arguments],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )

    def containers(self) -> list[dict[str, Any]]:
        """Return Compose's state of each container."""
        lines = self.compose("ps", "--all", "--format", "json").stdout.splitlines()
        return [json.loads(line) for line in lines]

    def api(self) -> LocalAirflowApi:
        """Log in as the administrator."""
        url = f"http://127.0.0.1:{self.settings['PIPELINE_AIRFLOW_PORT']}"
        return LocalAirflowApi(
            url, self.settings["PIPELINE_ADMIN_USER"], self.settings["PIPELINE_ADMIN_PASSWORD"]
        )

    def dsn(self, role: str = "loader") -> str:
        """Return the DSN of the warehouse for a role, from this machine."""
        return make_conninfo(
            host="127.0.0.1",
            port=self.settings["PIPELINE_WAREHOUSE_PORT"],
            user=role,
            password=self.settings[f"PIPELINE_{role.upper()}_PASSWORD"],
            dbname="warehouse",
            connect_timeout=5,
        )

    def query(
        self, statement: str, *values: Any, role: str = "loader", dsn: str | None = None
    ) -> list[Any]:
        """Query the warehouse, or the one at `dsn`. Nothing while it is away."""
        try:
            with psycopg.connect(dsn or self.dsn(role)) as connection:
                return connection.execute(statement.encode(), values).fetchall()
        except psycopg.OperationalError:
            return []

    def logs(self, *services: str) -> str:
        """Return what the containers of services, or all, have written."""
        return self.compose("logs", "--no-color", *services).stdout

    def errors(self) -> dict[str, str]:
        """Return what ended each traceback in the logs: its class, and the first line with it."""
        lines = (line.partition("| ")[2] for line in self.logs().splitlines())
        found: dict[str, str] = {}
        is_open = False
        for line in lines:
            is_open = is_open or line.startswith("Traceback (most recent call last)")
            if is_open and (match := _ENDS.match(line)):
                found.setdefault(match[1], line[:300])
                is_open = False
        return found

    def container_of(self, service: str) -> str:
        """Return the id of a service's only container."""
        return self.compose("ps", "--quiet", service).stdout.strip()

    def named(self, name: str) -> str:
        """Return the engine's name of a network or volume of docker-compose.yaml."""
        return f"{self.env['COMPOSE_PROJECT_NAME']}_{name}"

    def kill(self, service: str) -> int:
        """Kill the only container of a service."""
        return self.kill_container(self.container_of(service))

    def kill_container(self, container: str) -> int:
        """Kill the first process of a container, as the kernel does when memory is short.

        Return the id that it had, once it is gone.

        `docker kill` would count as a stop on purpose, after which nothing is started again.
        """
        process = _first_process(container)
        process.kill()
        process.wait(20)
        return process.pid

    @contextmanager
    def frozen(self, *services: str) -> Iterator[None]:
        """Suspend every process of services that run once: they exist, but do nothing."""
        first = [_first_process(self.container_of(service)) for service in services]
        processes = [one for top in first for one in (top, *top.children(recursive=True))]
        for process in processes:
            with suppress(psutil.NoSuchProcess):  # it has just ended
                process.suspend()
        try:
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def unwell(self, *services: str) -> list[str]:
        """Run the check of each service now. Return those whose check fails."""
        return [service for service in services if not self._is_well(self.container_of(service))]

    def _is_well(self, container: str) -> bool:
        found = docker("inspect", "--format", "{{json .Config.Healthcheck.Test}}", container)
        kind, *command = json.loads(found.stdout)
        shell = ["sh", "-c"] if kind == "CMD-SHELL" else []
        try:
            return docker("exec", container, *shell, *command, seconds=20).returncode == 0
        except subprocess.TimeoutExpired:  # the engine, too, counts this as a failure
            return False


def _left(project: str) -> list[str]:
    """Return the containers, volumes and networks of a project that the engine still has."""
    label = f"label=com.docker.compose.project={project}"
    listings = [("container", "--all"), ("volume",), ("network",)]
    return [
        f"{kind} {name}"
        for kind, *more in listings
        for name in docker(kind, "ls", *more, "--quiet", "--filter", label).stdout.split()
    ]


def _first_process(container: str) -> psutil.Process:
    state = docker("inspect", "--format", "{{.State.Pid}}", container)
    return psutil.Process(int(state.stdout))


@contextmanager
def deployed(folder: Path, profiles: str, added: Added, *, more_dags: Path) -> Iterator[Deployed]:
    """Copy the tree, and start it as the README says. Afterwards nothing of it is left.

    Args:
        folder: an empty folder.
        profiles: of docker-compose.yaml.
        added: what the test adds to it.
        more_dags: a DAG file that is added to those of the image.
    """
    tree = _copy(folder / "tree")
    env = _environment(folder)
    made = run_readme(f"make env PROFILES={profiles}" if profiles else "make env", tree, env)
    assert made.returncode == 0, made.stderr
    ports = {name: str(free_port()) for name in _PORTS}
    ours = {**ports, "PIPELINE_IMAGE": IMAGE, **added.settings}
    with (tree / ".env").open("a") as file:
        file.writelines(f"{name}='{value}'\n" for name, value in ours.items())
    services = {name: dict(more) for name, more in added.services.items()}
    for name in ("dag-processor", "scheduler", *(["worker"] if "celery" in profiles else [])):
        mount = f"{more_dags}:/opt/pipeline/dags/{more_dags.name}:ro"
        services.setdefault(name, {})["volumes"] = [mount]
    override = {"services": services, "volumes": added.volumes}
    (tree / "docker-compose.override.yaml").write_text(json.dumps(override))
    found = Deployed(tree, env, dotenv_settings((tree / ".env").read_text()))
    try:
        began = time.monotonic()
        up = run_readme("docker compose up --build --detach --wait", tree, env)
        if up.returncode:
            logs = found.compose("logs", "--tail", "30").stdout
            raise AssertionError(f"it does not start:\n{up.stderr[-3000:]}\n{logs}")
        yield replace(found, seconds=time.monotonic() - began)
    finally:
        done = found.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")
        assert done.returncode == 0, done.stderr
        assert _left(env["COMPOSE_PROJECT_NAME"]) == []


def _copy(tree: Path) -> Path:
    """Copy what git knows or would add: what a clone with these changes has."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    link_set_up(tree)
    return tree


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which `docker compose` is the program of this project."""
    plugins = folder / "docker" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(Path(sys.executable).with_name("docker-compose"))
    ours = ("PIPELINE_", "AIRFLOW", "LANDING_", "AWS_", "COMPOSE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return inherited | {
        "DOCKER_CONFIG": str(folder / "docker"),
        "COMPOSE_PROJECT_NAME": f"elt-test-{os.getpid()}",
    }
