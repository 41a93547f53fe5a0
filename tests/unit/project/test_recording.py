"""The recording of `make run`: each line at its time, without anything from elsewhere."""

import os
import re
import sys

import pytest

from tests.pictures.recording import drawn, lines_of

pytestmark = pytest.mark.unit

_PRINTS = "import time; print('a <b>', flush=True); time.sleep(0.3); print('c')"


def test_the_lines_scroll_in_their_order_and_the_page_comes_last() -> None:
    picture = drawn("make run", [(2.0, "a <b>"), (4.0, "c")], b"page")
    assert re.findall(r">([^<]+)</text>", picture) == ["$ make run", "a &lt;b&gt;", "c"]
    moves = re.findall(r"([\d.]+)% { transform: translateY\((-?\d+)px\)", picture)
    assert moves == [("0.00", "493"), ("30.00", "476"), ("60.00", "459")]
    assert "73.33% { opacity: 1 }" in picture
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")


def test_a_line_has_the_time_at_which_it_was_printed() -> None:
    (first, a), (second, c) = lines_of([sys.executable, "-c", _PRINTS], dict(os.environ))
    assert (a, c) == ("a <b>", "c")
    assert second - first >= 0.25
    with pytest.raises(AssertionError, match="the command has failed"):
        list(lines_of(["false"], dict(os.environ)))
