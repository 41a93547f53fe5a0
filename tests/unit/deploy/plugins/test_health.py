"""Airflow finds the plugin in its folder. Only a component that serves pages imports the page."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

_DEPLOY = Path(__file__).parents[4] / "deploy" / "airflow"
_PROGRAM = """
import json, sys
from airflow import plugins_manager
plugins_manager.ensure_plugins_loaded()
plugins_manager.get_timetables_plugins()  # as every component does
before = "health_page.app" in sys.modules
apps, _ = plugins_manager.get_fastapi_plugins()  # as an api-server does
after = "health_page.app" in sys.modules
names = [app["name"] for app in apps]
print(json.dumps([before, after, names, plugins_manager.get_import_errors()]))
"""


def test_airflow_loads_the_plugin_and_imports_the_page_only_to_serve_it() -> None:
    env = {
        **os.environ,
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(_DEPLOY / "plugins"),
        "PYTHONPATH": os.pathsep.join([str(_DEPLOY.parents[1]), str(_DEPLOY)]),
    }
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    before, after, names, errors = json.loads(done.stdout.splitlines()[-1])
    assert errors == {}
    assert "health" in names
    assert (before, after) == (False, True)
