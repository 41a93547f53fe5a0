"""The whole local stack: up, down, status. Invariant: each command is idempotent."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
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
    apis,
    components,
    declared,
    environment,
    migrate_metadata,
    tasks_inherit_dbt,
)
from local.broker import broker, configure_broker
from local.bucket import QUEUE
from local.ministack import MiniStack
from local.postgres import LOCK_DOWN, PostgresServer
from local.processes import ManagedProcess, is_listening
from local.sinks import mails, slack_messages
from local.state import (
    BUCKET,
    ROOT,
    StackOptions,
    check_state_folder,
    read_state,
    write_state,
)
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
        """Read the folder's state."""
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
        """The folder where the Slack and mail sinks store their messages."""
        return self.folder / "inbox"

    def processes(self) -> dict[str, ManagedProcess]:
        """Return all processes except Postgres by name, in start order."""
        ports, options = self.state.ports, self.state.options
        stand_in = ["--port", ports.api, "--posts", options.posts, "--seed", options.seed]
        sinks = ["--slack-port", ports.slack, "--smtp-port", ports.smtp, "--folder", self.inbox]
        return {
            "ministack": self.ministack.managed,
            "api": self._module("api", "local.stand_in_api", *stand_in),
            "sinks": self._module("sinks", "local.sinks", *sinks),
            **({"broker": broker(self.folder)} if options.workers else {}),
            **components(self.folder, self.state),
        }

    def up(self, options: StackOptions | None = None) -> None:
        """Start every process that does not run. `options` replace the remembered ones.

        Raises:
            ConfigurationError: the folder contains something else, or an API has no address.
        """
        check_state_folder(self.folder)
        with self._locked():
            self._apply(options or self.state.options)
            apis(self.state)  # before anything starts: an API without an address is named
            write_state(self.folder, self.state)  # from here on the folder is known as ours
            if not self.postgres.is_running():
                self.report("starting Postgres")
            self.postgres.create()
            self.postgres.start()
            self._create_databases()
            write_state(self.folder, self.state)
            _run_in_parallel([self._start_stand_ins, self._migrate, self._migrate_airflow])
            write_state(self.folder, self.state)
            for channel in self.channels():
                channel.check()
            self._start_airflow()

    def down(self, *, purge: bool = False) -> None:
        """Stop every process of this folder's stack. `purge` also deletes its state.

        Raises:
            ConfigurationError: the folder contains something else.
        """
        if purge:
            check_state_folder(self.folder)
        with self._locked():
            started = {n: p for n, p in self.processes().items() if p.state() != "stopped"}
            if started:
                self.report("stopping " + ", ".join(started))
            _run_in_parallel([process.stop for process in started.values()])
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
        """Return what other programs need to use the stack. The values can be written as JSON."""
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
        """Return the health of the pipeline. Raises PipelineError if it cannot be read."""
        now = datetime.now(UTC)
        return read_health(self.dsn("reader"), run_settings_from_env(), deployment(), now)

    def channels(self) -> list[Channel]:
        """Return the alert channels. Raises ConfigurationError if one can never work."""
        env = environment(self.folder, self.state)
        settings = deployment().model_copy(update={"alert_email": env["PIPELINE_ALERT_EMAIL"]})
        return channels_of(settings, partial(optional_connection_from_env, environ=env))

    def dsn(self, role: str) -> str:
        """Return the warehouse's DSN for a role."""
        return self.postgres.dsn("warehouse", role, getattr(self.state.secrets, role))

    def _module(self, name: str, module: str, *arguments: object) -> ManagedProcess:
        argv = [sys.executable, "-m", module, *map(str, arguments)]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        return ManagedProcess(name, argv, env, self.folder / "logs")

    def _apply(self, options: StackOptions) -> None:
        """Stop the processes whose options changed, so that `up` restarts them."""
        before = self.state.options
        if (options.posts, options.seed) != (before.posts, before.seed):
            self.processes()["api"].stop()
        running = components(self.folder, self.state)
        self.state.options = options
        now = declared(self.state)
        # Airflow's processes read all of this when they start.
        if (options.workers, now) != (before.workers, self.state.declared):
            for process in running.values():
                process.stop()
        self.state.declared = now

    def _create_databases(self) -> None:
        """Create both databases. Their owners are not superusers."""
        secrets = self.state.secrets
        owners = {"airflow": ("airflow", secrets.metadata), "warehouse": ("owner", secrets.owner)}
        with psycopg.connect(self.postgres.dsn("postgres"), autocommit=True) as connection:
            known = {row[0] for row in connection.execute("select datname from pg_database")}
            for database, (owner, password) in owners.items():
                if database in known:
                    continue
                role = sql.Identifier(owner)
                right = sql.SQL("createrole" if owner == "owner" else "nocreaterole")
                connection.execute(
                    sql.SQL("create role {} login {} password {}").format(role, right, password)
                )
                connection.execute(
                    sql.SQL("create database {} owner {}").format(sql.Identifier(database), role)
                )
        with psycopg.connect(self.postgres.dsn("warehouse"), autocommit=True) as connection:
            connection.execute(LOCK_DOWN.read_bytes())

    def _start_stand_ins(self) -> None:
        if self.ministack.managed.state() != "running":
            self.report("starting the S3 stand-in, the API stand-in and the alert sinks")
        self.inbox.mkdir(parents=True, exist_ok=True)
        self.ministack.start()
        self.ministack.bootstrap(BUCKET, QUEUE)
        ports = self.state.ports
        listening = {"api": [ports.api], "sinks": [ports.slack, ports.smtp]}
        if self.state.options.workers:
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
            self.report("creating Airflow's metadata tables (only once, about 20 s)")
        migrate_metadata(self.folder, self.state)

    def _start_airflow(self) -> None:
        processes = components(self.folder, self.state)
        if any(process.state() != "running" for process in processes.values()):
            self.report("starting Airflow: " + ", ".join(processes))
            if not tasks_inherit_dbt():
                self.report("dbt is one task here: each task would load dbt again, for seconds")
        for process in processes.values():
            process.start()
        server = processes["api-server"]
        server.wait_until(lambda: is_listening(self.state.ports.airflow), _READY_SECONDS)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Allow only one command at a time to change the stack."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "lock"):
            yield


def _run_in_parallel(steps: Iterable[Callable[[], None]]) -> None:
    """Run all steps to their end, then raise the first error."""
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(step) for step in steps]
    for future in futures:
        future.result()


def _all_listening(ports: list[int]) -> bool:
    return all(map(is_listening, ports))
