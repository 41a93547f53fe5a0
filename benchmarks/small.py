"""A hundred rows, whole processes. Invariant: both are new processes with the same connections."""

import sys

from benchmarks.measure import Sample, environment, run_process
from benchmarks.objects import DAY, Objects
from benchmarks.race import Tell
from benchmarks.warehouse import Warehouse
from local.ministack import LOGIN

ROWS = 100
_COMMANDS = {
    "command": ["scripts.load", "posts", "--day", DAY.isoformat()],
    "connect": ["benchmarks.jobs.connect"],
}
LABELS = {
    "command": "python -m scripts.load",
    "connect": "the same imports and connections",
}


def small(
    url: str, objects: Objects, warehouse: Warehouse, rounds: int, tell: Tell
) -> dict[str, list[Sample]]:
    """Run the command on a new day, and for comparison a process that only connects."""
    env = {
        **environment(),
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": LOGIN,
        "AWS_SECRET_ACCESS_KEY": LOGIN,
        "LANDING_BUCKET": objects.clean.name,
        "WAREHOUSE_DSN": warehouse.loader,
    }
    samples: dict[str, list[Sample]] = {name: [] for name in _COMMANDS}
    for number in range(-1, rounds):  # the first one compiles and warms the disk cache
        for name, command in _COMMANDS.items():
            warehouse.reset()
            warehouse.settle()
            argv = [sys.executable, "-m", *command]
            sample = run_process(argv, env, warehouse.cpu, objects.rows)
            if name == "command" and warehouse.count("warehouse", "raw.posts") != objects.rows:
                raise RuntimeError(f"expected {objects.rows} rows after {' '.join(command)}")
            if number >= 0:
                samples[name].append(sample)
                tell(f"{objects.rows:>10,} {name:<12} {sample.seconds:8.2f} s")
    return samples
