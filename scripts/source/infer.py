"""Infer a contract from records. Invariant: it is a proposal in a file that a person edits."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from scripts.errors import ConfigurationError

_TOOL = Path(__file__).parents[2] / ".tools" / "datamodel" / "bin" / "datamodel-codegen"
_MAX_RECORDS = 500
_HEADER = re.compile(r"\A.*?(?=^class )", re.DOTALL | re.MULTILINE)


def contract_of(name: str, records: Sequence[dict[str, Any]]) -> str:
    """Return the classes of a contract called `name`, as Python.

    Raises:
        ConfigurationError: the generator is not installed, or it does not accept the records.
    """
    if not _TOOL.exists():
        raise ConfigurationError("the generator of contracts is missing: run `make source ...`")
    done = subprocess.run(
        [
            *(_TOOL, "--input-file-type", "json", "--output-model-type", "msgspec.Struct"),
            *("--class-name", "Inferred", "--target-python-version", "3.11"),
            *("--disable-timestamp", "--formatters", "builtin"),
        ],
        input=msgspec.json.encode(list(records[:_MAX_RECORDS])),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.decode().strip().splitlines() or [""]
        raise ConfigurationError(f"no contract can be inferred: {lines[-1]}")
    return _ours(done.stdout.decode(), name)


def _ours(text: str, name: str) -> str:
    """Return the generated classes in the style of this project."""
    classes = _HEADER.sub("", text).split("\n\n\nInferred:")[0].strip()
    classes = classes.replace("InferredItem", name)
    classes = re.sub(
        r"\(Struct\):\n", '(msgspec.Struct):\n    """A part of a record."""\n\n', classes
    )
    classes = classes.replace(
        f'class {name}(msgspec.Struct):\n    """A part of a record."""',
        f'class {name}(msgspec.Struct, kw_only=True):\n    """One record."""',
    )
    classes = re.sub(r"(: |\[|\| )int\b", r"\1BigInt", classes)
    classes = re.sub(r"\bfield\(", "msgspec.field(", classes)
    return re.sub(r"\b(UNSET|UnsetType)\b", r"msgspec.\1", classes)
