"""Errors are named by what the caller can do."""

from datetime import date

import pytest

from scripts import errors

pytestmark = pytest.mark.unit

_PERMANENT = [
    errors.ConfigurationError,
    errors.InvalidInputError,
    errors.InvalidDataError,
    errors.BuildFailedError,
    errors.NotLandedError,
    errors.BrokenInvariantError,
]


@pytest.mark.parametrize("error", _PERMANENT)
def test_what_fails_again_is_permanent(error: type[Exception]) -> None:
    """Airflow's retry rule names the base class: each of these must be one."""
    assert issubclass(error, errors.PermanentError)
    assert not issubclass(error, errors.UnavailableError)


def test_what_may_succeed_later_is_not_permanent() -> None:
    assert not issubclass(errors.UnavailableError, errors.PermanentError)


def test_days_that_have_not_landed_are_named_with_the_next_step() -> None:
    error = errors.NotLandedError([date(2026, 1, 1), date(2026, 1, 2)])
    assert error.days == [date(2026, 1, 1), date(2026, 1, 2)]
    assert "2026-01-01, 2026-01-02" in str(error)
    assert "ingest" in str(error)


def test_a_broken_invariant_is_named() -> None:
    errors.demand(True, "never said")
    with pytest.raises(errors.BrokenInvariantError, match=r"^1 is 2\. Nothing was changed"):
        errors.demand(False, "1 is 2")
