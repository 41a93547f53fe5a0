"""Extraction compared with a pass-through. Invariant: the same bytes over HTTP, one landed object.

The server is a child process that sends a file with sendfile, so it is not the bottleneck.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import ROOT, Sample, environment, run_job
from benchmarks.objects import ENVELOPED, Objects, key
from benchmarks.race import Tell

LABELS = {
    "extract": "our extraction: validated, one record a line, sha256",
    "enveloped": "our extraction, from an envelope",
    "pass_through": "pass-through: requests, file, upload",
    "parse_and_dump": "response.json() and json.dumps",
}


@contextmanager
def web(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP from a child process and yield its URL."""
    argv = [sys.executable, "-m", "benchmarks.web", str(folder)]
    with subprocess.Popen(
        argv, env=environment(), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            port = child.stdout.readline().strip() if child.stdout else ""
            yield f"http://127.0.0.1:{port}"
        finally:
            child.terminate()


def extraction(url: str, objects: Objects, rounds: int, tell: Tell) -> dict[str, list[Sample]]:
    """Land the clean object from HTTP with each contender, in interleaved rounds."""
    api = objects.folder / f"api-{objects.rows}"
    api.mkdir(exist_ok=True)
    (api / "posts").unlink(missing_ok=True)
    (api / "posts").hardlink_to(objects.clean / key())
    with (api / ENVELOPED).open("wb") as envelope, (api / "posts").open("rb") as array:
        envelope.write(b'{"page": {"number": 1, "data": ')
        shutil.copyfileobj(array, envelope)
        envelope.write(b', "next": null}, "status": "ok"}')
    samples: dict[str, list[Sample]] = {name: [] for name in LABELS}
    for _ in range(rounds):
        for name, taken in samples.items():
            target = objects.folder / f"landed-{name}"
            arguments = {"url": f"{url}/{api.name}", "bucket": str(target), "rows": objects.rows}
            taken.append(run_job(f"benchmarks.jobs.{name}", arguments, float))
            tell(f"{objects.rows:>10,} {name:<14} {taken[-1].seconds:6.2f} s")
            _check(target, objects)
    return samples


def _check(bucket: Path, objects: Objects) -> None:
    """Check that the object is not shorter than sent (json.dumps adds spaces), then delete it."""
    landed = bucket / key()
    if landed.stat().st_size < (objects.clean / key()).stat().st_size:
        raise RuntimeError(f"{landed} is shorter than the object that was sent")
    landed.unlink()
