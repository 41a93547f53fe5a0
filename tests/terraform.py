"""Run Terraform on a copy of the tree, with plugins from a mirror if one is configured."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.documents import run_readme, set_up_copy
from tests.tools import unavailable

_PLAIN = {"TF_CLI_ARGS": "-no-color", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
_MIRROR = "PIPELINE_TF_MIRROR"


@dataclass(frozen=True)
class Terraform:
    """A working copy of terraform/: state, plugins and variables stay out of the source tree."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def copy(cls, folder: Path, env: Mapping[str, str] | None = None) -> "Terraform":
        """Copy the tree and initialise it. If that is not possible, skip with the reason."""
        if not shutil.which("terraform"):
            unavailable("terraform is not on PATH")
        made = cls(set_up_copy(folder) / "terraform", {**(env or {}), **_plugins(folder)})
        done = made.run_readme("terraform -chdir=terraform init")
        if done.returncode:
            unavailable(
                f"the AWS provider is not available. Set {_MIRROR} to use a mirror: "
                f"{done.stderr[-400:].strip()}"
            )
        return made

    def run(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a Terraform command with plain text output."""
        return subprocess.run(
            ["terraform", f"-chdir={self.folder}", *arguments],
            env={**os.environ, **_PLAIN, **self.env},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def run_readme(
        self, line: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the README in the tree, unchanged. `env` overrides the environment."""
        return run_readme(line, self.folder.parent, {**_PLAIN, **self.env, **(env or {})})


def _plugins(folder: Path) -> dict[str, str]:
    """Return the plugin settings: the mirror if one is configured, else the user's own."""
    mirror = os.environ.get(_MIRROR)
    if not mirror:
        return {}
    settings = folder / "terraform.rc"
    settings.write_text(
        f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror}" }}\n}}\n'
    )
    return {"TF_CLI_CONFIG_FILE": str(settings)}
