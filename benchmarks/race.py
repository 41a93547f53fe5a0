"""Contenders in turns on one server. Invariant: each starts alike, and its rows are counted.

Rounds are interleaved and every second one runs in reverse, so that a slow minute of the machine
affects all contenders. Ratios are taken within a round.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from benchmarks.measure import Sample, run_job
from benchmarks.objects import BAD_EVERY, Objects, key
from benchmarks.warehouse import Warehouse

Tell = Callable[[str], None]
_LARGE = 1_000_000


@dataclass(frozen=True)
class Contender:
    """One program: its arguments, and the table that holds its rows afterwards.

    Attributes:
        label: its name in the tables.
        table: (database, table) to count.
        python: its interpreter: ours, unless it is a peer with a separate environment.
        is_slow: measured once only where there are a million rows or more.
        continues: runs on the table that the previous contender left.
    """

    name: str
    label: str
    module: str
    arguments: Callable[[Warehouse, Objects], dict[str, Any]]
    table: tuple[str, str]
    python: str = sys.executable
    is_slow: bool = False
    continues: bool = False

    def rounds(self, rounds: int, rows: int) -> int:
        """Return how many rounds it is measured."""
        if self.is_slow:
            return 1 if rows >= _LARGE else min(rounds, 3)
        return rounds

    def rows_left(self, rows: int) -> int:
        """Return the expected number of rows in its table."""
        return rows - (rows + BAD_EVERY // 2) // BAD_EVERY if self.name == "bad" else rows


def _load(kind: str, *, again: bool = False) -> Callable[[Warehouse, Objects], dict[str, Any]]:
    def arguments(warehouse: Warehouse, objects: Objects) -> dict[str, Any]:
        bucket = objects.clean if kind == "clean" else objects.bad
        given = {"bucket": str(bucket), "dsn": warehouse.loader, "rows": objects.rows}
        return {**given, "again": again}

    return arguments


def _file(dsn: str) -> Callable[[Warehouse, Objects], dict[str, Any]]:
    def arguments(warehouse: Warehouse, objects: Objects) -> dict[str, Any]:
        dsns = {"dsn": getattr(warehouse, dsn), "dsn_url": _url(warehouse.peers)}
        return {"object": str(objects.clean / key()), **dsns}

    return arguments


def _url(dsn: str) -> str:
    place = conninfo_to_dict(dsn)
    return "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**place)


def _copy(warehouse: Warehouse, table: str, columns: list[str], *files: Path) -> dict[str, Any]:
    given = {"binaries": list(map(str, files)), "table": table, "columns": columns}
    return {**given, "dsn": warehouse.loader}


_COLUMNS = ["load_id", "position", "user_id", "id", "extra", "title", "body"]
_WHOLE_COLUMNS = ["load_id", "position", "id", "payload"]
_VIEW = ("warehouse", "raw.posts")
_DLT = ("peers", "posts.dlt_rows")
OURS: Sequence[Sequence[Contender]] = (
    (
        Contender(
            "limit",
            "COPY of a ready-made BINARY file: the limit",
            "benchmarks.jobs.copy",
            lambda w, o: _copy(w, "limit_rows", _COLUMNS, o.binary),
            ("warehouse", "raw.limit_rows"),
        ),
    ),
    (
        Contender(
            "two",
            "the same in two files, on two connections",
            "benchmarks.jobs.copy",
            lambda w, o: _copy(w, "limit_rows", _COLUMNS, *o.halves),
            ("warehouse", "raw.limit_rows"),
        ),
    ),
    (
        Contender(
            "whole",
            "COPY of whole records as jsonb, as earlier releases loaded them",
            "benchmarks.jobs.copy",
            lambda w, o: _copy(w, "whole_rows", _WHOLE_COLUMNS, o.whole),
            ("warehouse", "raw.whole_rows"),
        ),
    ),
    (
        Contender("load", "our load", "benchmarks.jobs.load", _load("clean"), _VIEW),
        Contender(
            "rerun",
            "our load, the day once more",
            "benchmarks.jobs.load",
            _load("clean", again=True),
            _VIEW,
            continues=True,
        ),
    ),
    (Contender("bad", "our load, 0.1 % bad records", "benchmarks.jobs.load", _load("bad"), _VIEW),),
)


def peers(python: Path) -> Sequence[Sequence[Contender]]:
    """Return the peers. `python` is the interpreter of their environment."""
    hook = Contender(
        "insert_rows",
        "Airflow hook, insert_rows",
        "benchmarks.peers.insert_rows",
        _file("loader"),
        ("warehouse", "raw.hook_rows"),
        is_slow=True,
    )

    def other(name: str, label: str, table: tuple[str, str], *, is_slow: bool) -> Contender:
        module = f"benchmarks.peers.{name}"
        return Contender(name, label, module, _file("peers"), table, str(python), is_slow=is_slow)

    return (
        (other("dlt_arrow", "dlt, Arrow and ADBC", _DLT, is_slow=False),),
        (hook,),
        (other("to_sql", "pandas to_sql", ("peers", "posts.typed_rows"), is_slow=True),),
        (other("dlt_default", "dlt, default", _DLT, is_slow=True),),
    )


def race(
    groups: Sequence[Sequence[Contender]],
    warehouse: Warehouse,
    objects: Objects,
    rounds: int,
    tell: Tell,
) -> dict[str, list[Sample]]:
    """Measure every contender in interleaved rounds and return the samples by name, in round order.

    The first one runs once before, to create the server's WAL files. Later loads reuse them, as on
    a server in production.
    """
    _measure(groups[0][0], warehouse, objects)
    samples: dict[str, list[Sample]] = {c.name: [] for group in groups for c in group}
    for number in range(rounds):
        for contender in _turn(groups, number):
            if number < contender.rounds(rounds, objects.rows):
                sample = _measure(contender, warehouse, objects)
                samples[contender.name].append(sample)
                tell(f"{objects.rows:>10,} {contender.name:<12} {sample.seconds:8.2f} s")
    return samples


def _turn(groups: Sequence[Sequence[Contender]], number: int) -> Iterable[Contender]:
    ordered = groups[::-1] if number % 2 else groups
    return (contender for group in ordered for contender in group)


def _measure(contender: Contender, warehouse: Warehouse, objects: Objects) -> Sample:
    if not contender.continues:
        warehouse.reset()
    warehouse.settle()
    arguments = contender.arguments(warehouse, objects)
    sample = run_job(contender.module, arguments, warehouse.cpu, contender.python)
    found, expected = warehouse.count(*contender.table), contender.rows_left(objects.rows)
    if found != expected:
        raise RuntimeError(f"{contender.name}: expected {expected} rows, its table holds {found}")
    return sample
