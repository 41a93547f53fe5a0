"""Other orchestrators, same work, same machine. Invariant: one at a time, nothing else runs.

Airflow's own processes are stopped before. Each peer is started, runs one day as a warm-up, and
then one day per round: from landing until its ledger shows it as published. See benchmarks/peers.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from benchmarks.live import ROWS, Live, key, wait_for
from benchmarks.measure import Sample, tree_cpu
from benchmarks.peers.environment import ready
from benchmarks.place import Place
from benchmarks.race import Tell
from local.airflow import components
from local.airflow import environment as airflow_environment
from local.processes import ManagedProcess, free_port, is_listening

_TUNED = ("AIRFLOW__SCHEDULER__", "AIRFLOW__DAG_PROCESSOR__")
_DAGSTER = """
telemetry:
  enabled: false
run_coordinator:
  module: dagster._core.run_coordinator
  class: DefaultRunCoordinator
"""
_FOLDER = Path(__file__).parent / "peers"
_WAREHOUSE = "AIRFLOW_CONN_DBT_POSTGRES_CONN"
Ask = Callable[[date], str]


@dataclass(frozen=True)
class Peer:
    """A started peer: its processes, and the call that triggers a run if it does not poll."""

    processes: Sequence[ManagedProcess]
    ask: Ask


def orchestrators(
    live: Live, days: Iterator[date], rounds: int, tell: Tell
) -> dict[str, list[Sample]]:
    """Measure every peer and return the samples by name."""
    return {
        name: _measure(Place(live, name), start, islice(days, rounds + 1), tell)
        for name, start in _PEERS.items()
    }


def _measure(
    place: Place, start: Callable[[Place], Peer], days: Iterator[date], tell: Tell
) -> list[Sample]:
    place.parse()
    peer = start(place)
    samples = []
    try:
        for day in days:
            samples.append(_day(place, peer, day))
            tell(f"{place.name:<12} {samples[-1].seconds:8.2f} s")
    finally:
        for process in peer.processes:
            process.stop()
    return samples[1:]  # the first one is the warm-up


def _day(place: Place, peer: Peer, day: date) -> Sample:
    client, server, started = _cpu(peer), place.live.server_cpu(), time.perf_counter()
    place.put(day)
    peer.ask(day)
    place.until_published(day)
    seconds = time.perf_counter() - started
    return Sample(ROWS, seconds, _cpu(peer) - client, place.live.server_cpu() - server, 0)


def _cpu(peer: Peer) -> float:
    return sum(tree_cpu(process) for m in peer.processes if (process := m.process()))


def tutorial(place: Place) -> Peer:
    """Start Airflow with its defaults, the tutorial's one DAG and the same metadata database."""
    live, stack = place.live, place.live.stack
    given = airflow_environment(live.folder, stack.state)
    warehouse = json.loads(given[_WAREHOUSE]) | {"schema": place.name}
    env = {
        **{name: value for name, value in given.items() if not name.startswith(_TUNED)},
        **place.environment(),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__DAGS_FOLDER": str(_FOLDER / "tutorial"),
        _WAREHOUSE: json.dumps(warehouse),
        "PATH": given["PATH"],
    }
    processes = [
        _started(place, m.name, m.argv, env) for m in components(live.folder, stack.state).values()
    ]
    wait_for(lambda: is_listening(stack.state.ports.airflow), bool)
    airflow = live.airflow()
    wait_for(lambda: airflow.dag("tutorial"), bool)
    return Peer(processes, lambda day: str(airflow.trigger("tutorial", {"key": key(day)})))


def dagster(place: Place) -> Peer:
    """Start Dagster's daemon. Its sensor polls for objects."""
    folder = ready("dagster").parent
    home = place.folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(_DAGSTER)
    env = {**_environment(place, folder), "DAGSTER_HOME": str(home)}
    argv = [str(folder / "dagster-daemon"), "run", "-m", "benchmarks.peers.dagster_assets"]
    return Peer([_started(place, "dagster", argv, env)], lambda _day: "")


def prefect(place: Place) -> Peer:
    """Start Prefect's server and the served flow."""
    folder, port = ready("prefect").parent, free_port()
    url = f"http://127.0.0.1:{port}/api"
    env = {
        **_environment(place, folder),
        "PREFECT_HOME": str(place.folder / "home"),
        "PREFECT_API_URL": url,
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    server = ["server", "start", "--host", "127.0.0.1", "--port", str(port)]
    processes = [_started(place, "server", [str(folder / "prefect"), *server], env)]
    wait_for(lambda: is_listening(port), bool)
    flow = [str(folder / "python"), "-m", "benchmarks.peers.prefect_flow"]
    processes.append(_started(place, "flow", flow, env))

    session = requests.Session()
    # Its database is briefly locked, and 503 means that no run was created: safe to retry.
    busy = Retry(8, status_forcelist=[503], allowed_methods=["POST"], backoff_factor=0.1)
    session.mount(url, HTTPAdapter(max_retries=busy))

    def post(path: str, body: object) -> Any:
        answer = session.post(f"{url}/deployments/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    [deployment] = wait_for(lambda: post("filter", {}), bool)
    create = f"{deployment['id']}/create_flow_run"
    return Peer(processes, lambda day: str(post(create, {"parameters": {"key": key(day)}})["id"]))


_PEERS: Mapping[str, Callable[[Place], Peer]] = {
    "tutorial": tutorial,
    "dagster": dagster,
    "prefect": prefect,
}


def _environment(place: Place, binaries: Path) -> dict[str, str]:
    env = place.environment()
    return {**env, "PATH": f"{binaries}:{env['PATH']}"}


def _started(
    place: Place, name: str, argv: Sequence[str], env: Mapping[str, str]
) -> ManagedProcess:
    process = ManagedProcess(name, argv, env, place.folder / "logs")
    process.start()
    return process
