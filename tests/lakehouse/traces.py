"""Search every file below the root of a lakehouse: its bytes, and what Parquet has compressed."""

from pathlib import Path

from scripts.warehouse.lakehouse import library


def files_with(root: str, text: str) -> list[str]:
    """Return the files that contain a text, among those that a table still names and all others."""
    return [
        str(path.relative_to(root))
        for path in sorted(Path(root).rglob("*"))
        if path.is_file() and (text.encode() in path.read_bytes() or text in _decoded(path))
    ]


def _decoded(path: Path) -> str:
    if path.suffix != ".parquet":
        return ""
    parquet = library("pyarrow.parquet")
    with parquet.ParquetFile(path) as file:
        return f"{file.metadata.metadata} {file.read().to_pydict()}"
