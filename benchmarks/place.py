"""Where peers do the pipeline's work. Invariant: their models hold the days that they received.

Each peer has a separate database on the stack's server, with the pipeline's tables and models, a
separate bucket, and a copy of the dbt project.
"""

import json
import shutil
import subprocess
import sys
from datetime import date

import psycopg
from psycopg import sql

from benchmarks.live import ROWS, Live, key, wait_for
from benchmarks.measure import DBT, Sample, environment, run_process
from local.ministack import LOGIN, REGION
from scripts.migrate import migrate
from scripts.settings import dbt_environment

_UNBUILT = shutil.ignore_patterns("target", "logs")


class Place:
    """A database, a bucket and a project with the same name."""

    def __init__(self, live: Live, name: str) -> None:
        self.live, self.name, self._stack = live, name, live.stack
        self.folder = live.folder / name
        self.project = self.folder / "dbt"
        self._latest = date.min
        shutil.copytree(live.root / "dbt", self.project, ignore=_UNBUILT)
        with psycopg.connect(self._stack.postgres.dsn("postgres"), autocommit=True) as connection:
            statement = sql.SQL("create database {} owner owner").format(sql.Identifier(name))
            connection.execute(statement)
        migrate(self.dsn("owner"))
        live.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def dsn(self, role: str) -> str:
        """Return the database's DSN for a role."""
        return self._stack.postgres.dsn(self.name, role, getattr(self._stack.state.secrets, role))

    def environment(self) -> dict[str, str]:
        """Return the environment that boto3, dbt and the peers' programs read."""
        return {
            **dbt_environment(self.dsn("transformer"), environment()),
            "AWS_ENDPOINT_URL": self._stack.ministack.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": LOGIN,
            "AWS_SECRET_ACCESS_KEY": LOGIN,
            "PEER_BUCKET": self.name,
            "PEER_DSN": self.dsn("loader"),
            "PEER_DBT": str(self.project),
        }

    def put(self, day: date) -> None:
        """Land the object of a day in this place's bucket."""
        self.live.s3.put_object(Bucket=self.name, Key=key(day), Body=self.live.body)
        self._latest = max(self._latest, day)

    def until_published(self, day: date) -> None:
        """Wait until the ledger shows a day as published, and check that the models hold it."""
        question = "select from ops.loads where key = %s and published_at is not null"
        with psycopg.connect(self.dsn("loader"), autocommit=True) as connection:
            wait_for(lambda: connection.execute(question, (key(day),)).fetchall(), bool, 0.02)
        self.check()

    def check(self) -> None:
        """Raise RuntimeError unless the models hold the posts of the last landed day."""
        with psycopg.connect(self.dsn("transformer")) as connection:
            found = connection.execute(
                "select count(*), (select max(day) from build.fct_daily_loads) from build.fct_posts"
            ).fetchone()
        if found != (ROWS, self._latest):
            raise RuntimeError(f"{self.name}: expected {(ROWS, self._latest)}, found {found}")

    def parse(self) -> None:
        """Parse the project once, because in production it is parsed except on the first day.

        This also writes the manifest that dagster-dbt reads.
        """
        done = subprocess.run(
            [DBT, "parse", *self._places()],
            env=self.environment(),
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: dbt parse failed:\n{done.stdout[-2000:]}")

    def run_plain(self, day: date) -> Sample:
        """Put a day and process it with the plain script, as a whole process."""
        self.put(day)
        sample = self.process(key(day), ROWS)
        self.check()
        return sample

    def process(self, landed: str, rows: int) -> Sample:
        """Process the object with this key with the plain script, as a whole process."""
        build = [DBT, "build", "--exclude-resource-type", "unit_test", *self._places()]
        given = {"bucket": self.name, "key": landed, "dsn": self.dsn("loader"), "dbt": build}
        argv = [sys.executable, "-m", "benchmarks.jobs.plain", json.dumps(given)]
        return run_process(argv, self.environment(), self.live.server_cpu, rows)

    def _places(self) -> list[str]:
        return ["--project-dir", str(self.project), "--profiles-dir", str(self.project)]
