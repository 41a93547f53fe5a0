"""The local stack for the pipeline benchmark. Invariant: it is only driven from outside.

A boto3 client puts objects, as any other producer does. The ledger shows when a load is published,
and Airflow's REST API shows when tasks began.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg
import requests

from benchmarks.checkout import with_first_models
from benchmarks.measure import ROOT, Sample, environment, tree_cpu
from local.airflow import components
from local.rest import LocalAirflowApi
from local.run import TRANSFORM
from local.stack import Stack
from scripts.landing.keys import raw_key
from sources.jsonplaceholder import POSTS

ROWS = 100
INGEST = "ingest_posts"
_POLL_SECONDS = 0.02
_API_POLL_SECONDS = 0.3
_LATEST = 180.0
_QUIET_SECONDS = 4.0  # an object that was just put is notified by then
_RECENT = timedelta(hours=1)
_ENDED = {"success", "failed"}
# No scheduled watch: only the benchmark may trigger runs, and 29 February is far away.
_UNWATCHED = {"PIPELINE_WATCH_SCHEDULE": "0 0 29 2 *"}
T = TypeVar("T")


@dataclass
class Live:
    """A separate running stack, in its own folder.

    Attributes:
        folder: state, logs and data of the stack.
        root: the project that it runs: this one, or a copy with other models.
    """

    folder: Path
    root: Path = ROOT

    @property
    def stack(self) -> Stack:
        """The stack, from the state in its folder."""
        return Stack(self.folder)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The output of `status`."""
        return self.stack.status()

    @cached_property
    def body(self) -> bytes:
        """A hundred records, as the API returns them."""
        answer = requests.get(f"{self.facts['api_url']}{POSTS.path}", timeout=30)
        answer.raise_for_status()
        return answer.content

    @cached_property
    def s3(self) -> Any:
        """The S3 client of another producer."""
        ministack = self.stack.ministack
        return ministack.session().client("s3", endpoint_url=ministack.endpoint)

    @cached_property
    def _ledger(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.facts["warehouse_loader_dsn"], autocommit=True)

    def airflow(self) -> LocalAirflowApi:
        """Log in to Airflow's REST API."""
        facts = self.facts
        return LocalAirflowApi(
            facts["airflow_url"], facts["airflow_user"], facts["airflow_password"]
        )

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Query the warehouse as role loader."""
        return self._ledger.execute(statement, values).fetchall()

    def command(self, *arguments: str, **settings: str) -> None:
        """Run `python -m local ...`, as a user does."""
        subprocess.run(
            [sys.executable, "-m", "local", *arguments],
            cwd=self.root,
            env={
                **environment(),
                **_UNWATCHED,
                "PYTHONPATH": str(self.root),
                "PIPELINE_LOCAL_DIR": str(self.folder),
                **settings,
            },
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def up(self, *options: str, **settings: str) -> None:
        """Start every stopped process, and wait until Airflow has parsed the DAGs."""
        self.command("up", *options, **settings)
        api = self.airflow()
        wait_for(lambda: all(api.dag(dag_id) for dag_id in (INGEST, TRANSFORM)), bool)

    def stop(self) -> None:
        """Stop Airflow's processes after the last run has ended. The servers keep running.

        An interrupted run would block the next one until Airflow gives up its task.
        """
        self.until_quiet()
        for process in components(self.folder, self.stack.state).values():
            process.stop()

    def put(self, day: date) -> None:
        """Land the object of a day."""
        self.s3.put_object(Bucket=self.facts["bucket"], Key=key(day), Body=self.body)

    def until_published(self, day: date) -> str:
        """Wait until the marts hold a day and return the run that loaded it."""
        return self.until_object_published(key(day))

    def until_object_published(self, landed: str) -> str:
        """Wait until the marts hold the object with this key. Return the run that loaded it."""
        published = (
            "select run_id from ops.loads where key = %s and is_current "
            "and published_at is not null"
        )
        rows = wait_for(lambda: self.query(published, landed), bool, _POLL_SECONDS)
        return str(rows[0][0])

    def until_quiet(self) -> None:
        """Wait until no run is active and no late event can start one."""
        api = self.airflow()

        def active() -> int:
            since = datetime.now(UTC) - _RECENT
            runs = [run for dag in (INGEST, TRANSFORM) for run in api.runs_since(dag, since)]
            return sum(run["state"] not in _ENDED for run in runs)

        deadline = time.monotonic() + _QUIET_SECONDS
        while time.monotonic() < deadline:
            if active():
                wait_for(active, lambda count: count == 0)
                deadline = time.monotonic() + _QUIET_SECONDS
            time.sleep(_API_POLL_SECONDS)

    def tasks(self, dag_id: str, run_id: str) -> Mapping[str, dict[str, Any]]:
        """Return the tasks of a run by id."""
        return {task["task_id"]: task for task in self.airflow().tasks(dag_id, run_id)}

    def roots(self) -> dict[str, psutil.Process]:
        """Return Airflow's processes by name, each the root of a tree."""
        managed = components(self.folder, self.stack.state)
        return {name: process for name, m in managed.items() if (process := m.process())}

    def airflow_cpu(self) -> float:
        """Return the CPU seconds of all Airflow processes until now."""
        return sum(map(tree_cpu, self.roots().values()))

    def server_cpu(self) -> float:
        """Return the CPU seconds of Postgres until now, including Airflow's metadata."""
        return tree_cpu(psutil.Process(self.stack.postgres.pid()))

    def server_version(self) -> str:
        """Return the version of the stack's Postgres."""
        return self._ledger.info.parameter_status("server_version") or "?"

    def sample(self, work: Callable[[], None], rows: int = ROWS) -> Sample:
        """Time work that the stack does. CPU is that of Airflow and of the server."""
        client, server, started = self.airflow_cpu(), self.server_cpu(), time.perf_counter()
        work()
        seconds = time.perf_counter() - started
        return Sample(rows, seconds, self.airflow_cpu() - client, self.server_cpu() - server, 0)


def key(day: date) -> str:
    """Return the key of a day's object."""
    return raw_key(POSTS.name, day)


def days_from(first: date) -> Iterator[date]:
    """Yield the days from `first` on."""
    while True:
        yield first
        first += timedelta(days=1)


def wait_for(
    look: Callable[[], T],
    is_it: Callable[[T], object],
    pause: float = _API_POLL_SECONDS,
    latest: float = _LATEST,
) -> T:
    """Poll until the observed value is right and return it.

    Raises:
        TimeoutError: the time is up. The message holds the last value.
    """
    deadline = time.monotonic() + latest
    while not is_it(seen := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {latest:.0f} s without success. Last seen: {seen}")
        time.sleep(pause)
    return seen


@contextmanager
def running_stack(*, first_models: bool = False, **settings: str) -> Iterator[Live]:
    """Yield a stack. It stops when the block ends, and everything it created is deleted.

    With `first_models` it runs a copy of the project with the first models.
    """
    with tempfile.TemporaryDirectory(prefix="elt-benchmark-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)  # as root the database server runs as another user
        root = with_first_models(Path(name) / "project") if first_models else ROOT
        live = Live(Path(name) / "state", root)
        try:
            live.up("--posts", str(ROWS), "--seed", "1", **settings)
            yield live
        finally:
            live.command("down", "--purge")
