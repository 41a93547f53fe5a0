"""An extraction in parts is killed at every step: the next one fetches only what is missing."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.ministack import MiniStack
from local.sample_earthquakes import Earthquakes
from local.stand_in_api import stand_in
from local.switchable import running
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from tests.fault.test_extract import DAY, Api, start

pytestmark = pytest.mark.fault

_KEY = raw_key("earthquakes", DAY)
_PROGRAM = """
from dataclasses import replace
from types import MappingProxyType
import sources
from sources import SOURCES
from sources.declaration import hours
parts = replace(SOURCES["earthquakes"], parts=hours(3))
sources.SOURCES = MappingProxyType({"earthquakes": parts})
from scripts.extract.__main__ import main
from scripts.cli import run_cli
run_cli(main)
"""


@pytest.fixture
def api() -> Iterator[Api]:
    with running(stand_in(1, 1)) as server:
        yield server


def _run(
    api: Api, store: Store, ministack: MiniStack, folder: Path, **environ: str
) -> subprocess.CompletedProcess[str]:
    process = start(api, store, ministack, folder, "earthquakes", program=_PROGRAM, **environ)
    output, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess(sys.argv, process.returncode, output, errors)


@pytest.mark.parametrize(
    ("place", "left"),
    [
        ("before_part_0", 8),
        ("after_part_0", 8),
        ("before_part_5", 3),
        ("after_part_5", 3),
        ("after_part_7", 1),
        ("before_upload", 0),
        ("before_complete", 0),
        ("after_upload", 0),
    ],
)
def test_killed_anywhere_only_what_is_missing_is_fetched(
    api: Api, store: Store, ministack: MiniStack, tmp_path: Path, place: str, left: int
) -> None:
    killed = _run(api, store, ministack, tmp_path, PIPELINE_KILL_AT=f"ingest.{place}")
    assert killed.returncode == -9, "the fault took no effect"
    assert (store.head(_KEY) is not None) == (place == "after_upload")
    api.requests.clear()

    done = _run(api, store, ministack, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert len(api.requests) == left
    opened = store.open(_KEY)
    assert opened is not None
    in_parts = b"".join(opened.blocks())
    assert json.loads(in_parts) == Earthquakes(1).of_day(DAY)
    with start(api, store, ministack, tmp_path, "earthquakes") as whole:
        output, _ = whole.communicate(timeout=60)
    assert output.startswith("unchanged"), "without parts it is the same object"
    assert not list(tmp_path.iterdir()), "a temporary file was left"
