"""Places in an answer: ``data.orders.nodes``, ``0.results``, ``*.results`` or a tuple of names.

A dotted text names one field per part. A part of digits also is an index of an array. One part may
be ``*``: each element of an array, or each value of an object. The empty path is the answer itself.
A name that contains a dot, such as ``@odata.nextLink``, needs the tuple: ``("@odata.nextLink",)``.
"""

from sources.declaration.declaration_error import DeclarationError

Path = str | tuple[str, ...]


def parts_of(path: Path) -> tuple[str, ...]:
    """Return the parts of a path, none for the answer itself."""
    if isinstance(path, tuple):
        return path
    return tuple(path.split(".")) if path else ()


def shown_path(path: Path) -> str:
    """Return a path for messages."""
    return repr(".".join(parts_of(path))) if path else "the top level"


def check_path(field: str, path: Path | None, *, takes_star: bool = False) -> None:
    """Raise DeclarationError unless `path` is None or a path with non-empty parts."""
    if path is None:
        return
    parts = parts_of(path)
    if not all(isinstance(part, str) and part for part in parts):
        raise DeclarationError(field, f"expected names with dots between them, got {path!r}")
    if parts.count("*") > (1 if takes_star else 0):
        limit = "at most one * in" if takes_star else "no * in"
        raise DeclarationError(field, f"expected {limit} the path, got {path!r}")
