"""The arithmetic behind docs/benchmarks.md."""

import pytest

from benchmarks.figures import Figure, cpu, load_figures, memory_figures, middle, peak_mb, ratio
from benchmarks.growth import Growth
from benchmarks.measure import Sample

pytestmark = pytest.mark.unit


def _sample(seconds: float, *, cpu_seconds: float = 1, peak: int = 0) -> Sample:
    return Sample(1000, seconds, cpu_seconds, cpu_seconds, peak)


def test_a_ratio_is_taken_within_a_round() -> None:
    slow_second_round = [_sample(1), _sample(30), _sample(1.2)]
    load = [_sample(1), _sample(20), _sample(1)]
    assert ratio(slow_second_round, load) == 1.2


def test_a_ratio_takes_the_rounds_that_both_have() -> None:
    assert ratio([_sample(8), _sample(40)], [_sample(2), _sample(10), _sample(100)]) == 4


def test_what_was_measured_once_is_held_against_the_median() -> None:
    assert ratio([_sample(90)], [_sample(30), _sample(2), _sample(3)]) == 30


def test_cpu_is_that_of_client_and_server() -> None:
    assert ratio([_sample(9, cpu_seconds=3)], [_sample(1, cpu_seconds=2)], cpu) == 1.5


def test_memory_is_the_highest_peak_and_time_the_median() -> None:
    samples = [_sample(1, peak=5_000_000), _sample(9, peak=1_000_000), _sample(2)]
    assert peak_mb(samples) == 5
    assert middle(samples) == 2


@pytest.mark.parametrize(
    ("figure", "is_met"),
    [
        (Figure("told", 0), True),
        (Figure("share", 0.95, at_least=0.95), True),
        (Figure("share", 0.949, at_least=0.95), False),
        (Figure("memory", 20, "MB", at_most=20), True),
        (Figure("memory", 20.1, "MB", at_most=20), False),
    ],
)
def test_a_goal_is_met_or_missed(figure: Figure, is_met: bool) -> None:
    assert figure.is_met is is_met
    assert ("missed" in figure.cells()[3]) is not is_met


def test_a_slow_or_swollen_load_misses_its_goals() -> None:
    samples = {
        "limit": [_sample(1)],
        "two": [_sample(0.8)],
        "whole": [_sample(1.3)],
        "load": [_sample(1.2, peak=30_000_000)],
        "rerun": [_sample(1.5)],
        "bad": [_sample(1.2)],
        "dlt_arrow": [_sample(1.3)],
    }
    figures = [*load_figures(samples), *memory_figures({10: samples, 1: {"load": [_sample(1)]}})]
    goals = [figure for figure in figures if figure.at_least or figure.at_most]
    assert [figure.is_met for figure in goals] == [False] * 8


def test_a_table_has_grown_by_what_it_is_after_the_last_rerun() -> None:
    grown = Growth(1, 100, [200, 110, 120])
    assert (grown.ratio, grown.largest) == (1.2, 2.0)
