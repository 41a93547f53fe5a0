"""What the run of a session measured, printed at its end: the figures of docs/reliability.md."""

import json

from tests.compose.engine import IMAGE, Deployed, docker

LINES: list[str] = []


def add(line: str) -> None:
    """Add a line to the report."""
    LINES.append(line)


def add_containers(deployment: Deployed) -> None:
    """Add the memory that each container uses, and its greatest, where the kernel says it."""
    for container in sorted(deployment.containers(), key=lambda one: str(one["Service"])):
        if container["State"] == "running":
            line = ("stats", "--no-stream", "--format", "{{.MemUsage}}", container["ID"])
            used = docker(*line).stdout.split(" / ", maxsplit=1)[0]
            add(f"{container['Service']}: {used}, at most {_peak(container['ID'])}")


def add_image() -> None:
    """Add the size of the image."""
    [image] = json.loads(docker("image", "inspect", IMAGE).stdout)
    add(f"image: {image['Size'] / 1e6:.0f} MB")


def _peak(container: str) -> str:
    files = "/sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes"
    found = docker("exec", container, "sh", "-c", f"cat {files} 2>/dev/null").stdout.split()
    return f"{int(found[0]) / 2**20:.0f} MiB" if found else "(not known)"
