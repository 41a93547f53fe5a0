"""The error of a declaration. Invariant: its message names the field."""


class DeclarationError(ValueError):
    """A declaration cannot work. `discover` adds the file and the line to the message."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
