"""The whole local stack: up, down, status. Invariant: each verb may be repeated without harm."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any

import psycopg
from filelock import FileLock
from psycopg import sql

from local.airflow import (
    ADMIN,
    airflow_url,
    api_url,
    components,
    environment,
    migrate_metadata,
)
from local.broker import broker, configure_broker
from local.bucket import QUEUE
from local.ministack import MiniStack
from local.postgres import PostgresServer
from local.processes import ManagedProcess, is_listening
from local.sinks import mails, slack_messages
from local.state import BUCKET, ROOT, Choices, read_state, write_state
from scripts.alerts.channels import Channel, channels_of
from scripts.health.facts import Health
from scripts.health.verdict import read_health
from scripts.migrate import migrate
from scripts.settings import deployment, optional_connection_from_env, run_settings_from_env

_READY_SECONDS = 120
Report = Callable[[str], None]


@dataclass
class Stack:
    """The stack of one state folder."""

    folder: Path
    report: Report = field(default=lambda _line: None)

    def __post_init__(self) -> None:
        """Read what the folder remembers."""
        self.state = read_state(self.folder)

    @property
    def postgres(self) -> PostgresServer:
        """The Postgres server, with the databases ``airflow`` and ``warehouse``."""
        secrets, ports = self.state.secrets, self.state.ports
        return PostgresServer(self.folder / "postgres", ports.postgres, secrets.postgres)

    @property
    def ministack(self) -> MiniStack:
        """The S3 and SQS stand-in."""
        return MiniStack(self.state.ports.s3, self.folder)

    @property
    def inbox(self) -> Path:
        """Where the Slack and mail sinks keep what arrived."""
        return self.folder / "inbox"

    def processes(self) -> dict[str, ManagedProcess]:
        """Return every process but Postgres, by name, in the order of starting."""
        ports, choices = self.state.ports, self.state.choices
        stand_in = ["--port", ports.api, "--posts", choices.posts, "--seed", choices.seed]
        sinks = ["--slack-port", ports.slack, "--smtp-port", ports.smtp, "--folder", self.inbox]
        return {
            "ministack": self.ministack.managed,
            "api": self._module("api", "local.stand_in_api", *stand_in),
            "sinks": self._module("sinks", "local.sinks", *sinks),
            **({"broker": broker(self.folder)} if choices.workers else {}),
            **components(self.folder, self.state),
        }

    def up(self, choices: Choices | None = None) -> None:
        """Start what does not run; `choices` replace what was asked for before."""
        with self._alone():
            self._choose(choices or self.state.choices)
            if not self.postgres.is_running():
                self.report("starting Postgres")
            self.postgres.create()
            self.postgres.start()
            self._create_databases()
            write_state(self.folder, self.state)
            with ThreadPoolExecutor() as together:
                steps = [
                    together.submit(step)
                    for step in (self._start_stand_ins, self._migrate, self._migrate_airflow)
                ]
            for step in steps:
                step.result()
            write_state(self.folder, self.state)
            for channel in self.channels():
                channel.check()
            self._start_airflow()

    def down(self, *, purge: bool = False) -> None:
        """Stop everything that this folder's stack started; with `purge` delete its state too."""
        with self._alone():
            started = {n: p for n, p in self.processes().items() if p.state() != "stopped"}
            if started:
                self.report("stopping " + ", ".join(started))
            with ThreadPoolExecutor() as together:
                stops = [together.submit(process.stop) for process in started.values()]
            for stop in stops:
                stop.result()
            self.postgres.stop()
        if purge and self.folder.exists():
            rmtree(self.folder)

    def states(self) -> dict[str, str]:
        """Return running, dead or stopped for each process by name."""
        if not self.folder.exists():
            return {}
        database = "running" if self.postgres.is_running() else "stopped"
        others = {name: process.state() for name, process in self.processes().items()}
        return {"postgres": database, **others}

    def status(self) -> dict[str, Any]:
        """Return everything that another program needs to use the stack, as plain JSON."""
        secrets = self.state.secrets
        return {
            "processes": self.states(),
            "airflow_url": airflow_url(self.state),
            "airflow_user": ADMIN,
            "airflow_password": secrets.airflow_admin,
            "api_url": api_url(self.state),
            "s3_endpoint": self.ministack.endpoint,
            "bucket": BUCKET,
            "warehouse_dsn": self.dsn("reader"),
            "warehouse_loader_dsn": self.dsn("loader"),
            "slack_inbox": str(self.inbox / "slack.jsonl"),
            "mail_inbox": str(self.inbox / "mail.jsonl"),
            "slack_messages": len(slack_messages(self.inbox)),
            "mails": len(mails(self.inbox)),
            "alerts_go_to": [channel.name for channel in self.channels()],
        }

    def health(self) -> Health:
        """Return the health of the pipeline. Raises PipelineError if it cannot be known."""
        now = datetime.now(UTC)
        return read_health(self.dsn("reader"), run_settings_from_env(), deployment(), now)

    def channels(self) -> list[Channel]:
        """Return the channels of alerts; raises ConfigurationError if one can never work."""
        env = environment(self.folder, self.state)
        place = deployment().model_copy(update={"alert_email": env["PIPELINE_ALERT_EMAIL"]})
        return channels_of(place, partial(optional_connection_from_env, environ=env))

    def dsn(self, role: str) -> str:
        """Return the warehouse's DSN for a role."""
        return self.postgres.dsn("warehouse", role, getattr(self.state.secrets, role))

    def _module(self, name: str, module: str, *arguments: object) -> ManagedProcess:
        argv = [sys.executable, "-m", module, *map(str, arguments)]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        return ManagedProcess(name, argv, env, self.folder / "logs")

    def _choose(self, choices: Choices) -> None:
        """Stop what was started for other choices; it starts again with these."""
        before = self.state.choices
        if choices == before:
            return
        if (choices.posts, choices.seed) != (before.posts, before.seed):
            self.processes()["api"].stop()
        # Both are in the environment of Airflow's processes.
        if (choices.api, choices.workers) != (before.api, before.workers):
            for process in components(self.folder, self.state).values():
                process.stop()
        self.state.choices = choices

    def _create_databases(self) -> None:
        """Create both databases, each owned by a role that is no superuser."""
        secrets = self.state.secrets
        owners = {"airflow": ("airflow", secrets.metadata), "warehouse": ("owner", secrets.owner)}
        with psycopg.connect(self.postgres.dsn("postgres"), autocommit=True) as connection:
            known = {row[0] for row in connection.execute("select datname from pg_database")}
            for database, (owner, password) in owners.items():
                if database in known:
                    continue
                owner_name = sql.Identifier(owner)
                may = sql.SQL("createrole" if owner == "owner" else "nocreaterole")
                connection.execute(
                    sql.SQL("create role {} login {} password {}").format(owner_name, may, password)
                )
                connection.execute(
                    sql.SQL("create database {} owner {}").format(
                        sql.Identifier(database), owner_name
                    )
                )

    def _start_stand_ins(self) -> None:
        if self.ministack.managed.state() != "running":
            self.report("starting the S3 stand-in, the API stand-in and the alert sinks")
        self.inbox.mkdir(parents=True, exist_ok=True)
        self.ministack.start()
        self.ministack.bootstrap(BUCKET, QUEUE)
        ports = self.state.ports
        listening = {"api": [ports.api], "sinks": [ports.slack, ports.smtp]}
        if self.state.choices.workers:
            configure_broker(self.folder, self.state)
            listening["broker"] = [ports.broker]
        for name, numbers in listening.items():
            process = self.processes()[name]
            process.start()
            process.wait_until(partial(_all_listening, numbers), 30)

    def _migrate(self) -> None:
        roles = ("loader", "transformer", "reader")
        passwords = {role: getattr(self.state.secrets, role) for role in roles}
        migrate(self.dsn("owner"), passwords)

    def _migrate_airflow(self) -> None:
        if not self.state.migrated_airflow:
            self.report("creating Airflow's metadata (once, about 20 s)")
        migrate_metadata(self.folder, self.state)

    def _start_airflow(self) -> None:
        processes = components(self.folder, self.state)
        if any(process.state() != "running" for process in processes.values()):
            self.report("starting Airflow: " + ", ".join(processes))
        for process in processes.values():
            process.start()
        server = processes["api-server"]
        server.wait_until(lambda: is_listening(self.state.ports.airflow), _READY_SECONDS)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one command at a time change the stack."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "lock"):
            yield


def _all_listening(ports: list[int]) -> bool:
    return all(map(is_listening, ports))
