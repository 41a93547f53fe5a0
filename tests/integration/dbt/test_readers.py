"""While dbt builds, fails or is killed, readers see only complete, tested marts and never wait."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import IsolationLevel

from scripts.settings import dbt_environment
from tests.conftest import Warehouse
from tests.integration.dbt.support import Dbt, Loader, Post, days, post

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

(DAY,) = days(1)
_FEWEST = 20
# One state of one day: the same number of posts in every mart, all of one version.
_MARTS = (
    "select count(*), array_agg(distinct title) from marts.fct_posts where not is_deleted",
    "select count(*), array_agg(distinct title) from marts.fct_post_changes",
    "select sum(loaded)::bigint, null from marts.fct_daily_loads",
    "select sum(posts)::bigint, null from marts.dim_authors",
)


def _posts(version: int) -> list[Post]:
    numbers = range(_FEWEST + version)
    return [post(n, title=str(version), author=n % (3 + version)) for n in numbers]


@contextmanager
def _child(warehouse: Warehouse, state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Build, test and publish in a separate process."""
    environment = dbt_environment(warehouse.transformer) | {"DBT_TARGET_PATH": str(state)}
    argv = [sys.executable, "-m", "scripts.dbt"]
    with subprocess.Popen(argv, env=environment) as child:
        try:
            yield child
        finally:
            child.kill()


def _kill_at(warehouse: Warehouse, state: Path, table: str, mode: str) -> None:
    """Lock `table` in `mode`, wait until dbt blocks on that lock, and kill dbt there."""
    waits = "select count(*) from pg_locks where relation = %s::regclass and not granted"
    with psycopg.connect(warehouse.admin) as holder, _child(warehouse, state) as child:
        holder.execute(f"lock table {table} in {mode} mode")
        deadline = time.monotonic() + 60
        while holder.execute(waits, [table]).fetchone() != (1,):
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        child.kill()
        assert child.wait(10) == -9


def _read(warehouse: Warehouse, last: int) -> Counter[int]:
    """Read all marts in one snapshot until the last version. Return the count of each version."""
    seen: Counter[int] = Counter()
    deadline = time.monotonic() + 180
    # The server ends a lock wait after one second, even when this machine is busy.
    with psycopg.connect(warehouse.reader, options="-c lock_timeout=1s") as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        while not seen[last]:
            assert time.monotonic() < deadline, seen
            time.sleep(0.02)
            with connection.transaction():
                posts, changes, volume, authors = (
                    connection.execute(query).fetchall()[0] for query in _MARTS
                )
            version = int(posts[0]) - _FEWEST
            assert posts == changes == (_FEWEST + version, [str(version)])
            assert volume == authors == (_FEWEST + version, None)
            seen[version] += 1
    return seen


def test_readers_see_only_whole_and_tested_states(warehouse: Warehouse, tmp_path: Path) -> None:
    loader, dbt, state = Loader(warehouse), Dbt(warehouse, tmp_path), tmp_path / "target"
    loader.load(DAY, _posts(0))
    dbt.build()
    dbt.publish()
    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(_read, warehouse, 3) for _ in range(2)]
        loader.load(DAY, [*_posts(1), {"userId": 1, "id": 99, "body": "without a title"}])
        assert not dbt.invoke("build").success
        assert "not_null_columns_stg_posts" in dbt.publish_problem()
        loader.load(DAY, _posts(2))
        _kill_at(warehouse, state, "build.fct_posts", "access share")
        _kill_at(warehouse, state, "marts.fct_posts", "share")  # the mart that is changed last
        loader.load(DAY, _posts(3))
        dbt.build()
        dbt.publish()
        for reader in readers:
            assert set(reader.result()) == {0, 3}
