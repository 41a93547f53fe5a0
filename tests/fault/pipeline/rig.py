"""A running stack for fault injection: add data, inject faults, and measure the recovery time.

The tests only wait for the recovery. They restart a dead process with ``python -m local up``, as an
init system would.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import psutil
import psycopg
from psycopg import sql

from local.ministack import LOGIN, REGION
from local.sample_earthquakes import Earthquakes
from local.stack import Stack
from scripts.errors import UnavailableError
from scripts.landing.keys import raw_key
from sources.earthquakes import EARTHQUAKES
from tests.fault.pipeline.alert_counts import AlertCounter, wait_until_all_is_delivered
from tests.fault.pipeline.census import RECORDS_A_DAY, Book, Census, census
from tests.fault.pipeline.proxy import S3Fault, S3Proxy, running
from tests.stack import LocalStack, started, wait_for

WATCH_SECONDS = 20
_PLUGINS = Path(__file__).parent / "plugins"
# At least 30 seconds for heartbeats, so that a busy machine does not look like a dead one.
_AIRFLOW = {
    "CORE__PLUGINS_FOLDER": str(_PLUGINS),
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
}
_RUN_SETTINGS = {
    "http_retries": 1,
    "http_backoff": 0.1,
    # The days of the book are far in the past. The long deadline keeps later days from being late.
    "landing_deadline_hours": 24 * 3650,
}
_EVER = datetime(2000, 1, 1, tzinfo=UTC)
_POLL_SECONDS = 0.5


@dataclass
class Rig:
    """The stack, the proxy in front of its S3, and the book of the records that were served."""

    stack: LocalStack
    proxy: S3Proxy
    kill_folder: Path
    book: Book = field(default_factory=Book)
    _struck_at: float | None = None
    _alerts: AlertCounter = field(init=False)

    def __post_init__(self) -> None:
        self.inside = Stack(self.stack.folder)  # the same stack, without a process per query

    # data --------------------------------------------------------------------------------------

    def drop(self, day: date | None = None) -> date:
        """Put a day's objects as another program does. A known day is rewritten."""
        day = day or self.book.new_day()
        s3, bucket = self.stack.s3(), self.stack.known["bucket"]
        for source, records in (
            ("posts", self.book.write(day)),
            ("earthquakes", self.book.write_earthquakes(day)),
        ):
            s3.put_object(Bucket=bucket, Key=raw_key(source, day), Body=json.dumps(records))
        return day

    def serve(self, day: date, **faults: Any) -> None:
        """Make the API return a day's records, or fail with the given switches."""
        known = self.book.days.get(day) or self.book.write(day)
        edited = {str(place): post for place, post in enumerate(known, 1)}
        self.stack.switch(posts=len(known), edited=edited, **faults)

    def ingest(self, day: date | None = None, **faults: Any) -> tuple[date, str]:
        """Start the ingest of a day from an API that fails with the given switches."""
        day = day or self.book.new_day()
        self.serve(day, **faults)
        return day, self.stack.airflow.trigger("ingest_posts", {"day": day.isoformat()})

    # faults ------------------------------------------------------------------------------------

    def arm(self, place: str, name: str = "SIGKILL") -> None:
        """Arm a kill point: the next process that reaches it receives the signal."""
        draft = self.kill_folder / ".draft"
        draft.write_text(name)
        draft.rename(self.kill_folder / place)

    def struck(self, place: str) -> int:
        """Wait until a process received its signal at a kill point, and return its pid."""
        [file] = wait_for(lambda: list(self.kill_folder.glob(f"{place}.[0-9]*")), bool, 240)
        pid = int(file.suffix[1:])
        file.unlink()
        self.mark()
        return pid

    def stopped(self, place: str) -> psutil.Process:
        """Wait until a process has stopped at a kill point, and return it."""
        process = psutil.Process(self.struck(place))
        wait_for(process.status, lambda status: status == psutil.STATUS_STOPPED, 10)
        return process

    def kill(self, name: str) -> None:
        """Kill one of the stack's processes (not its children) with SIGKILL."""
        process = self.inside.processes()[name].process()
        assert process, f"{name} does not run"
        process.kill()
        wait_for(lambda: self.inside.states()[name], lambda state: state == "dead", 10)
        self.mark()

    def fail_s3(self, method: str, times: int, how: Literal["503", "lost"] = "503") -> None:
        """Make S3 fail the next requests of one method for an object."""
        self.proxy.fault = S3Fault(method, ".json", times, how)

    def s3_struck(self) -> None:
        """Wait until S3 has failed the configured number of times."""
        fault = self.proxy.fault
        assert fault
        wait_for(lambda: fault.struck, lambda struck: struck == fault.times, 240)
        self.mark()

    @contextmanager
    def dbt_held_at(self, table: str) -> Iterator[psutil.Process]:
        """Lock a table, add a day, and yield the dbt process that waits for the table."""
        name = sql.Identifier(*table.split("."))
        holder = psycopg.connect(self.inside.dsn("transformer"))
        try:
            holder.execute(sql.SQL("lock table {} in access exclusive mode").format(name))
            self.drop()
            yield self._waiting_for(table)
        finally:
            with suppress(psycopg.OperationalError):  # its server may have been stopped
                holder.rollback()
            holder.close()

    def _waiting_for(self, table: str) -> psutil.Process:
        """Return the process whose connection waits for a lock on a table."""
        waiting = """
            select client_port from pg_locks inner join pg_stat_activity using (pid)
            where relation = %s::regclass and not granted and client_port > 0
        """
        with psycopg.connect(self.inside.postgres.dsn("warehouse"), autocommit=True) as admin:
            rows = wait_for(lambda: admin.execute(waiting, [table]).fetchall(), bool, 240)
        ports = {port for (port,) in rows}
        pids = [
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.pid and connection.laddr and connection.laddr.port in ports
        ]
        return psutil.Process(pids[0])

    def mark(self) -> None:
        """Record that the fault took effect. The recovery time starts at the first call."""
        self._struck_at = self._struck_at or time.monotonic()

    # recovery ----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Remove all faults, and wait until no work and no undelivered message is left."""
        self.stack.switch()
        self.proxy.fault = None
        self._struck_at = None
        wait_for(self._active, lambda runs: runs == [], 300)
        wait_until_all_is_delivered(self.stack)
        self._alerts = AlertCounter(self.stack)

    def heal(self, seconds: float) -> float:
        """Wait until every place holds each record once. Return the seconds since the fault."""
        assert self._struck_at, "the fault took no effect"
        deadline = time.monotonic() + seconds
        while wrong := self._wrong():
            self._revive()
            if time.monotonic() > deadline:
                raise AssertionError(f"not healed in {seconds} s: {wrong}")
            time.sleep(_POLL_SECONDS)
        healed = time.monotonic() - self._struck_at
        assert not [file.name for file in self.kill_folder.iterdir()], "an armed place was missed"
        return healed

    def miscounted(self, *, is_warehouse_down: bool) -> list[str]:
        """Wait until every recovery is delivered. Then return each wrong count."""
        wait_for(self._active, lambda runs: runs == [], 300)
        return list(self._alerts.miscounted(is_warehouse_down=is_warehouse_down))

    def causes(self) -> list[str]:
        """Return the cause of each incident that this fault opened."""
        return self._alerts.incidents()

    def census(self) -> list[Census]:
        """Compare every place with the book."""
        return list(census(self.stack, self.book))

    def _wrong(self) -> object:
        """Return the first difference from the expected state, or None."""
        pending = "select count(*) from ops.loads where is_current and published_at is null"
        try:
            [(unpublished,)] = self.stack.query(pending)
            if unpublished:
                return f"{unpublished} loads are not published"
            return next(filter(None, census(self.stack, self.book)), None)
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable) as error:
            return str(error)

    def _revive(self) -> None:
        """Restart dead processes. A process that lost its database may die some time later."""
        if set(self.inside.states().values()) != {"running"}:
            done = self.stack.command("up")
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    def _active(self) -> Any:
        self._revive()
        try:
            runs = [(run["dag_id"], run["state"]) for run in self.stack.airflow.active_runs()]
            return [
                run for run in runs if run[0] != "watch_pipeline"
            ]  # it is scheduled continuously
        except UnavailableError as error:
            return str(error)


def resume(process: psutil.Process) -> None:
    """Resume a stopped process, if it still exists."""
    with suppress(psutil.NoSuchProcess):
        os.kill(process.pid, signal.SIGCONT)


@contextmanager
def rig(kill_folder: Path) -> Iterator[Rig]:
    """Start a stack with short intervals, S3 behind a proxy, and one day in its marts."""
    up = ("up", "--posts", str(RECORDS_A_DAY))
    with running() as proxy, started(_settings(proxy, kill_folder), *up) as stack:
        proxy.upstream = stack.known["s3_endpoint"]
        built = Rig(stack, proxy, kill_folder)
        # Airflow starts the last scheduled run automatically: its day is the first to arrive.
        [run] = wait_for(lambda: stack.airflow.runs_since("ingest_posts", _EVER), bool, 120)
        day = datetime.fromisoformat(run["logical_date"]).date()
        built.book.days[day] = stack.api("/posts")
        for back in range(1, EARTHQUAKES.day.lookback_days + 2):
            ended = day - timedelta(days=back)
            built.book.earthquakes[ended] = Earthquakes(seed=1).of_day(ended)
        built.mark()
        built.heal(300)
        yield built


def _settings(proxy: S3Proxy, kill_folder: Path) -> dict[str, str]:
    aws = {
        "conn_type": "aws",
        "login": LOGIN,
        "password": LOGIN,
        "extra": {"endpoint_url": proxy.url, "region_name": REGION},
    }
    environment = {
        **{f"AIRFLOW__{name}": value for name, value in _AIRFLOW.items()},
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(aws),
        "PIPELINE_KILL_FOLDER": str(kill_folder),
    }
    return {
        "PIPELINE_LOCAL_AIRFLOW_ENV": json.dumps(environment),
        "AIRFLOW_VAR_PIPELINE": json.dumps(_RUN_SETTINGS),
        "PIPELINE_INGEST_SCHEDULE": "0 0 1 1 *",
        "PIPELINE_WATCH_SCHEDULE": f"* * * * * */{WATCH_SECONDS}",
        "PIPELINE_DBT_SINGLE_TASK": "true",
        "PIPELINE_TASK_RETRIES": "2",
        "PIPELINE_RETRY_DELAY_SECONDS": "1",
    }
