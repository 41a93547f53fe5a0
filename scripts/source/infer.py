"""Infer a contract from records. Invariant: it is a proposal in a file that a person edits."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from scripts.errors import ConfigurationError

_TOOL = Path(__file__).parents[2] / ".tools" / "datamodel" / "bin" / "datamodel-codegen"
_MAX_RECORDS = 500
TAKEN = ("Api", "Source", "BigInt", "Any", "Annotated", "Literal", "Struct")
_HEADER = re.compile(r"\A.*?(?=^class )", re.DOTALL | re.MULTILINE)


class InferredContract(NamedTuple):
    """The classes of a contract as Python, and the import lines that they need besides ours."""

    classes: str
    imports: list[str]


def contract_of(name: str, records: Sequence[dict[str, Any]]) -> InferredContract:
    """Return the classes of a contract called `name`.

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


def _ours(text: str, name: str) -> InferredContract:
    """Return the generated classes in the style of this project."""
    classes = _HEADER.sub("", text).split("\n\n\nInferred:")[0].strip()
    # A class of a part has the name of its field.
    for taken in (word for word in (*TAKEN, name) if f"class {word}(" in classes):
        classes = re.sub(rf"(^class |: |\[|\| ){taken}\b", rf"\1{taken}Part", classes, flags=re.M)
    classes = classes.replace("InferredItem", name)
    classes = re.sub(
        r"\(Struct\):\n", '(msgspec.Struct):\n    """A part of a record."""\n\n', classes
    )
    classes = classes.replace(
        f'class {name}(msgspec.Struct):\n    """A part of a record."""',
        f'class {name}(msgspec.Struct, kw_only=True):\n    """One record."""',
    )
    classes = re.sub(r"(: |\[|\| )int(_aliased)?\b", r"\1BigInt", classes)
    classes = re.sub(r"\bfield\(", "msgspec.field(", classes)
    classes = re.sub(r"\b(UNSET|UnsetType)\b", r"msgspec.\1", classes)
    return InferredContract(classes, list(_imports(text, classes)))


def _imports(text: str, classes: str) -> Iterator[str]:
    """Yield the imports of the generated text that the classes use."""
    for module, names in re.findall(r"^from (\w+) import (.+)$", text, re.MULTILINE):
        # The last word: an import may be ``str as str_aliased``, for a field that is called str.
        used = [n for n in names.split(", ") if re.search(rf"\b{n.split()[-1]}\b", classes)]
        if used and module not in ("__future__", "msgspec"):
            yield f"from {module} import {', '.join(used)}"
