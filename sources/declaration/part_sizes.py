"""How a day that is too large for one run is cut into parts. What has landed of them is kept."""

from dataclasses import dataclass

from sources.declaration.declaration_error import DeclarationError

_DAY = 24


@dataclass(frozen=True)
class hours:
    """A part has the records of some hours of a window, which must divide 24."""

    count: int

    def __post_init__(self) -> None:
        if not isinstance(self.count, int) or self.count < 1 or _DAY % self.count:
            raise DeclarationError("parts", f"expected hours that divide 24, got {self.count!r}")


@dataclass(frozen=True)
class pages:
    """A part has the records of some pages of the list."""

    count: int

    def __post_init__(self) -> None:
        _check_count(self.count)


@dataclass(frozen=True)
class parents:
    """A part has the lists of some parents."""

    count: int

    def __post_init__(self) -> None:
        _check_count(self.count)


Parts = hours | pages | parents


def _check_count(count: object) -> None:
    if not isinstance(count, int) or count < 1:
        raise DeclarationError("parts", f"expected a number of at least 1, got {count!r}")
