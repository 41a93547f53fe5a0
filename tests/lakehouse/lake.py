"""A lakehouse of a test, on the engine that the tests share."""

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from unittest import mock

from local.sail import PYTHON, Sail
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.settings import RunSettings
from sources import SOURCES, Source
from tests.conftest import Warehouse
from tests.documents import ROOT
from tests.lakehouse.session import Session
from tests.lakehouse.tables import Row, ensure, shown
from tests.loading import environment
from tests.warehouses import dbt_place


@dataclass(frozen=True)
class Lake:
    """Its ledger, the root of its tables, its engine and its landing zone."""

    warehouse: Warehouse
    root: str
    sail: Sail
    store: Store

    def __post_init__(self) -> None:
        """Create the raw tables."""
        with mock.patch.dict(os.environ, self.settings()):
            for source in SOURCES.values():
                ensure(self.warehouse, source)

    def settings(self) -> dict[str, str]:
        """Return the settings that choose it."""
        return self.sail.settings(self.root)

    def load(self, source: Source, day: date) -> str:
        """Load the object of a day. Return the outcome."""
        with mock.patch.dict(os.environ, self.settings()):
            result = load(source, day, self.store, self.warehouse.loader, RunSettings())
        return result.outcome

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a command on it."""
        place = dbt_place(self.warehouse, Path(self.root) / "target")
        return environment(
            self.store, self.warehouse.loader, **{**place, **self.settings(), **more}
        )

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m scripts.<command>`` and wait for its end."""
        module, *arguments = command
        return subprocess.run(
            [sys.executable, "-m", f"scripts.{module}", *arguments],
            cwd=ROOT,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )

    def session(self) -> Session:
        """Open a session of the engine."""
        return Session(PYTHON, self.root, self.warehouse.transformer, self.sail.remote)

    def shown(self) -> dict[str, list[Row]]:
        """Return the rows of each mart that readers see."""
        return shown(self.root)
