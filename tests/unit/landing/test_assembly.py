"""Objects are cut into pieces that S3 accepts, and that are the whole in their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.landing.assembly import Slice, pieces_of

pytestmark = pytest.mark.unit

LEAST, MOST = 5, 50


@given(sizes=st.lists(st.integers(0, 200), max_size=20))
def test_pieces_fit_and_are_the_whole(sizes: list[int]) -> None:
    *pieces, last = pieces_of(sizes, LEAST, MOST)
    whole = [(index, at) for index, size in enumerate(sizes) for at in range(size)]
    found = [
        (part.of, at)
        for piece in [*pieces, last]
        for part in piece.slices
        for at in range(part.start, part.end)
    ]
    assert found == whole
    lengths = [sum(part.end - part.start for part in piece.slices) for piece in pieces]
    assert all(LEAST <= length <= MOST for length in lengths)
    assert sum(part.end - part.start for part in last.slices) < LEAST
    assert not last.is_copied
    for piece, length in zip(pieces, lengths, strict=True):
        assert len(piece.slices) == 1 if piece.is_copied else length == LEAST


def test_a_large_object_after_a_small_one_is_copied_from_its_middle_on() -> None:
    first, second, last = pieces_of([3, 30], LEAST, MOST)
    assert (first.is_copied, first.slices) == (False, (Slice(0, 0, 3), Slice(1, 0, 2)))
    assert (second.is_copied, second.slices) == (True, (Slice(1, 2, 30),))
    assert last.slices == ()
