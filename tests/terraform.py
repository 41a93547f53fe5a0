"""The Terraform program on a copy of terraform/, with plugins of a mirror if one is named."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.tools import unavailable

_SOURCE = Path(__file__).parents[1] / "terraform"
_MIRROR = "PIPELINE_TF_MIRROR"


@dataclass(frozen=True)
class Terraform:
    """A working copy: state, plugins and variables stay out of the source tree."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def copy(cls, folder: Path, env: Mapping[str, str] | None = None) -> "Terraform":
        """Copy the sources and initialise them; skips, with the reason, where that cannot be."""
        if not shutil.which("terraform"):
            unavailable("terraform is not on PATH")
        ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*")
        shutil.copytree(_SOURCE, folder / "terraform", ignore=ignored)
        made = cls(folder / "terraform", {**(env or {}), **_plugins(folder)})
        done = made.run("init", "-backend=false", "-input=false")
        if done.returncode:
            unavailable(
                f"the AWS provider is not to be had; {_MIRROR} may name a mirror: "
                f"{done.stderr[-400:].strip()}"
            )
        return made

    def run(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command of Terraform's; its output is plain text."""
        return subprocess.run(
            ["terraform", f"-chdir={self.folder}", *arguments],
            env={**os.environ, "TF_CLI_ARGS": "-no-color", "CHECKPOINT_DISABLE": "1", **self.env},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


def _plugins(folder: Path) -> dict[str, str]:
    """Return where plugins come from: the mirror if there is one, else as the user has it."""
    mirror = os.environ.get(_MIRROR)
    if not mirror:
        return {}
    settings = folder / "terraform.rc"
    settings.write_text(
        f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror}" }}\n}}\n'
    )
    return {"TF_CLI_CONFIG_FILE": str(settings)}
