"""Build, test and publish the marts manually. Invariant: no other dbt runs at the same time.

``python -m scripts.dbt`` runs dbt in its own process and holds `scripts.warehouse.dbt_lock` until
it ends. Other commands start it as a child process: a parent that is killed leaves no state behind,
and the next dbt waits until that child has ended.

With PIPELINE_WAREHOUSE=delta the child is `scripts.warehouse.spark_marts`, which has an environment
with dbt-spark and a deadline.
"""

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from psycopg import sql

from scripts import settings
from scripts.cli import run_cli
from scripts.errors import BuildFailedError, UnavailableError
from scripts.warehouse.connection import connect, plain_errors
from scripts.warehouse.dbt_lock import dbt_lock

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import EventMsg

_ROOT = Path(__file__).parents[1]
_GLOBAL = ("--quiet", "--no-write-json", "--log-level-file", "none")
_PLACE = ("--project-dir", str(_ROOT / "dbt"), "--profiles-dir", str(_ROOT / "dbt"))
_BUILD = ("build", "--exclude-resource-type", "unit_test")  # `make test` runs unit tests


def build_and_publish(dsn: str, *options: str) -> None:
    """Build every model in a child process, test it and publish it.

    Args:
        dsn: the warehouse, as role transformer.
        options: of this module's command line.

    Raises:
        BuildFailedError: dbt failed. The marts do not change. The message names the node.
        ConfigurationError: a setting of the engine is missing.
        UnavailableError: the build was killed, or the engine did not finish in time. Perhaps the
            marts changed.
    """
    command, environment = _builder(dsn)
    child = subprocess.run(
        [*command, *options],
        cwd=_ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode == -signal.SIGALRM:
        raise UnavailableError(
            "the engine of PIPELINE_SPARK_REMOTE did not finish within "
            "PIPELINE_LAKEHOUSE_TIMEOUT_SECONDS: check that it answers, then build again"
        )
    if child.returncode < 0:
        raise UnavailableError(
            f"dbt was killed by signal {-child.returncode}, perhaps after its publish: build again"
        )
    if child.returncode:
        raise BuildFailedError(f"the marts did not change: {_last_words(child)}")


def _last_words(child: subprocess.CompletedProcess[str]) -> str:
    """Return the error of a child process."""
    lines = child.stderr.strip().splitlines() or [f"dbt ended with status {child.returncode}"]
    error = next((line for line in lines if line.startswith("error: ")), lines[-1])
    return error.removeprefix("error: ")


def _builder(dsn: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that builds in this deployment, and its environment."""
    chosen = settings.deployment()
    if chosen.warehouse == "delta":
        engine = chosen.engine()
        command = [engine.python, "-m", "scripts.warehouse.spark_marts"]
        return command, settings.engine_environment(dsn, engine)
    return [sys.executable, "-m", "scripts.dbt"], settings.dbt_environment(dsn)


def run_dbt(dsn: str, *, is_full_refresh: bool, drops_unowned: bool) -> None:
    """Run ``dbt build`` and the publish in this process. Its environment must lead to `dsn`.

    `drops_unowned`: also drop the tables of schema marts that no model owns.

    Raises:
        BuildFailedError: a model or a test failed, or the publish was refused.
    """
    from dbt.cli.main import dbtRunner

    with dbt_lock(dsn, is_alone=True):
        if is_full_refresh:
            drop_build_tables(dsn)
        parsed = dbtRunner().invoke([*_GLOBAL, "parse", *_PLACE])
        if not parsed.success:
            raise BuildFailedError(f"dbt parse: {one_line(str(parsed.exception))}")
        manifest = cast("Manifest", parsed.result)
        refresh = ["--full-refresh"] if is_full_refresh else []
        publish = ["run-operation", "publish", "--args", f"{{drop_unowned: {drops_unowned}}}"]
        for command in ([*_BUILD, *refresh], publish):
            errors: list[str] = []
            runner = dbtRunner(manifest, [partial(_collect, errors)])
            if not runner.invoke([*_GLOBAL, *command, *_PLACE]).success:
                raise BuildFailedError(f"dbt {command[0]}: {'; '.join(errors)}")


def drop_build_tables(dsn: str) -> None:
    """Drop every table of schema build. A full refresh creates them again.

    This includes tables that dbt would not replace: failing rows of tests that are now skipped,
    renamed or deleted.
    """
    with connect(dsn, autocommit=True) as connection, plain_errors():
        tables = connection.execute(
            "select tablename from pg_tables where schemaname = 'build'"
        ).fetchall()
        for (table,) in tables:
            name = sql.Identifier("build", table)
            connection.execute(sql.SQL("drop table if exists {} cascade").format(name))


def _collect(errors: list[str], event: "EventMsg") -> None:
    info: Any = event.info  # protobuf's classes have no types
    if info.level == "error" and (line := one_line(info.msg)):
        errors.append(line)


def one_line(text: str) -> str:
    """Return a message without the part in which PostgreSQL shows values."""
    kept = text.partition("DETAIL:")[0].partition("CONTEXT:")[0]
    return " ".join(kept.split())


def main(
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="drop schema build, then build all models")
    ] = False,
    drop_unowned: Annotated[
        bool, typer.Option("--drop-unowned", help="drop tables in schema marts that no model owns")
    ] = False,
) -> None:
    """Build and test the models in schema build, then publish the difference to the marts.

    Reads DBT_HOST, DBT_PORT, DBT_USER, DBT_PASSWORD and DBT_DBNAME as dbt/profiles.yml does, and
    AIRFLOW_VAR_PIPELINE.
    """
    dsn = settings.transformer_dsn_from_env()
    if settings.deployment().warehouse == "delta":
        chosen = {"--full-refresh": full_refresh, "--drop-unowned": drop_unowned}
        build_and_publish(dsn, *(option for option, is_set in chosen.items() if is_set))
    else:
        settings.enter_dbt_environment(dsn)  # dbt's profile cannot read an Airflow connection
        settings.enter_dbt_settings(settings.run_settings_from_env())
        run_dbt(dsn, is_full_refresh=full_refresh, drops_unowned=drop_unowned)
    typer.echo("built, tested and published")


if __name__ == "__main__":
    run_cli(main)
