"""A complete local stack in its own folder, controlled in the same way as a user does."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import requests

from local.airflow import components, environment
from local.ministack import LOGIN, REGION, MiniStack
from local.rest import LocalAirflowApi
from local.stack import Stack
from local.state import read_state
from tests.documents import README, ROOT, outside, run_readme
from tests.tree import LINKED

_POLL_SECONDS = 0.3
_PATIENCE = 240  # seconds, long enough for a busy machine


@dataclass
class LocalStack:
    """The running stack, as `status --json` describes it. `settings` go into its environment."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    first_output: str = ""
    tree: Path = ROOT

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m local ...` as a user does."""
        return subprocess.run(
            [sys.executable, "-m", "local", *arguments],
            cwd=self.tree,
            env={**os.environ, **self._place},
            capture_output=True,
            text=True,
            check=False,
        )

    def script(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m scripts.<module>` with the connections of this stack."""
        own = Stack(self.folder)
        aws = {
            "AWS_ENDPOINT_URL": self.known["s3_endpoint"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": LOGIN,
            "AWS_SECRET_ACCESS_KEY": LOGIN,
        }
        return subprocess.run(
            [sys.executable, "-m", f"scripts.{module}", *arguments],
            cwd=self.tree,
            env={**environment(own.folder, own.state), **aws, "COLUMNS": "160"},
            capture_output=True,
            text=True,
            check=False,
        )

    def run_readme(
        self, line: str, replaced: Mapping[str, str] | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the README on this stack, unchanged."""
        before = "python -m local " if line.startswith("airflow ") else ""
        assert f"On the local stack write `{before}" in README.read_text()
        place = {**self._place, **env}
        return run_readme(line, ROOT, place, before=before, replaced=replaced)

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run make in the tree of this stack, for this stack."""
        return make_in(self.tree, *arguments, env=self._place)

    @property
    def _place(self) -> dict[str, str]:
        return {"PIPELINE_LOCAL_DIR": str(self.folder), "COLUMNS": "160", **self.settings}

    def restart_airflow(self, **settings: str) -> None:
        """Restart the components that run DAGs, with other settings, while no run is active.

        An interrupted run would block the next one until Airflow fails its task.
        """
        self.settings = {**self.settings, **settings}
        processes = components(self.folder, read_state(self.folder))
        wait_for(self._is_at_rest, bool, _PATIENCE)
        for name in ("scheduler", "dag-processor"):
            processes[name].stop()
        done = self.command("up")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def _is_at_rest(self) -> bool:
        """Return whether nothing runs and the watch has just ended, so its next run is far away."""
        looks = self.airflow.runs_since("watch_pipeline", now() - timedelta(minutes=1))
        if self.airflow.active_runs() or not looks or not looks[-1]["end_date"]:
            return False
        return now() - datetime.fromisoformat(looks[-1]["end_date"]) < timedelta(seconds=5)

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.command("status", "--json").stdout)
        return facts

    def connect(self) -> None:
        """Create the clients that the tests use."""
        self.known = self.facts
        known = self.known
        self.airflow = LocalAirflowApi(
            known["airflow_url"], known["airflow_user"], known["airflow_password"]
        )

    @property
    def transformer_dsn(self) -> str:
        return Stack(self.folder).dsn("transformer")

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Query the warehouse as the loader role."""
        with psycopg.connect(self.known["warehouse_loader_dsn"]) as connection:
            return connection.execute(statement, values).fetchall()

    def marts(self, statement: str) -> list[tuple[Any, ...]]:
        """Query the marts as the reader role."""
        with psycopg.connect(self.known["warehouse_dsn"]) as connection:
            return connection.execute(statement).fetchall()

    def s3(self) -> Any:
        """Return a client of the landing zone, as another program would use it."""
        port = int(self.known["s3_endpoint"].rsplit(":", 1)[1])
        ministack = MiniStack(port, self.folder)
        return ministack.session().client("s3", endpoint_url=ministack.endpoint)

    def api(self, path: str) -> Any:
        return requests.get(f"{self.known['api_url']}{path}", timeout=30).json()

    def switch(self, **switches: Any) -> None:
        """Configure how the stand-in API behaves. Without arguments it works normally."""
        answer = requests.put(f"{self.known['api_url']}/_switches", json=switches, timeout=30)
        answer.raise_for_status()

    def finished(self, dag_id: str, run_id: str, seconds: float = _PATIENCE) -> str:
        """Wait for a run to end and return its state."""
        run = wait_for(
            lambda: self.airflow.run(dag_id, run_id),
            lambda run: run["state"] in {"success", "failed"},
            seconds,
        )
        return str(run["state"])

    def run_by_hand(self, dag_id: str, conf: Mapping[str, Any]) -> tuple[str, str]:
        """Trigger a run, wait for it to end, and return (run id, state)."""
        run_id = self.airflow.trigger(dag_id, conf)
        return run_id, self.finished(dag_id, run_id)

    def newest_by_hand(self, dag_id: str, since: datetime) -> tuple[str, str]:
        """Like `run_by_hand`, for the one run that was triggered since a given time."""
        runs = self.airflow.runs_since(dag_id, since)
        [run_id] = [run["dag_run_id"] for run in runs if run["run_type"] == "manual"]
        return run_id, self.finished(dag_id, run_id)

    def transforms_settled(
        self, since: datetime, seconds: float = _PATIENCE
    ) -> list[dict[str, Any]]:
        """Wait for at least one transform run since a given time, and for all of them to end.

        Unless one of them has failed, the last one must leave nothing to do: an earlier hint may
        have caused a run that ended before the object landed.
        """

        def is_settled(runs: list[dict[str, Any]]) -> bool:
            states = {run["state"] for run in runs}
            is_over = bool(states) and states <= {"success", "failed"}
            return is_over and ("failed" in states or self._nothing_waits())

        runs: list[dict[str, Any]] = wait_for(
            lambda: self.airflow.runs_since("transform_posts", since), is_settled, seconds
        )
        return runs

    def _nothing_waits(self) -> bool:
        """Return whether each landed object is loaded or parked, and each load is published."""
        tomorrow = now().date() + timedelta(days=1)
        listed = self.s3().list_objects_v2(Bucket=self.known["bucket"], Prefix="raw/")["Contents"]
        landed = {
            (one["Key"], one["ETag"].strip('"'))
            for one in listed
            if Path(one["Key"]).stem <= tomorrow.isoformat()
        }
        sources = {source for (source,) in self.query("select distinct source from ops.loads")}
        landed = {(key, etag) for key, etag in landed if key.split("/")[1] in sources}
        known = self.query("select key, etag from ops.loads where is_current or state = 'parked'")
        waits = "select 1 from ops.loads where is_current and published_at is null"
        return landed <= {(key, etag.strip('"')) for key, etag in known} and not self.query(waits)

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        tasks = self.airflow.tasks(dag_id, run_id)
        return {task["task_id"]: task["state"] for task in tasks}


def make_in(
    tree: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run make in a copied tree, independent of an outer make."""
    return subprocess.run(
        ["make", *LINKED, *arguments],
        cwd=tree,
        env=outside(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def wait_for(look: Callable[[], Any], is_it: Callable[[Any], bool], seconds: float) -> Any:
    """Poll until the result is as expected. On timeout, fail with the last result."""
    deadline = time.monotonic() + seconds
    while not is_it(seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s, last result: {seen}")
        time.sleep(_POLL_SECONDS)
    return seen


def now() -> datetime:
    return datetime.now(UTC)


Start = Callable[[LocalStack], subprocess.CompletedProcess[str]]


@contextmanager
def started_by(settings: Mapping[str, str], start: Start) -> Iterator[LocalStack]:
    """Start a stack with the given function. Stop it at the end and delete its state."""
    with tempfile.TemporaryDirectory(prefix="elt-stack-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # if tests run as root, the database server uses another user
        stack = LocalStack(Path(folder) / "state", settings)
        first = start(stack)
        try:
            assert first.returncode == 0, first.stdout[-3000:] + first.stderr[-3000:]
            stack.first_output = first.stdout
            stack.connect()
            yield stack
        finally:
            stack.command("down", "--purge")


def started(settings: Mapping[str, str], *command: str) -> AbstractContextManager[LocalStack]:
    """Start a stack with a command of `local`. Stop it at the end."""
    return started_by(settings, lambda stack: stack.command(*command))
