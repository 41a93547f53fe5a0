"""The arithmetic of the pipeline's figures, and the content of its report."""

import json
from datetime import UTC, datetime

import pytest

from benchmarks.idle import Idle
from benchmarks.measure import Sample
from benchmarks.pipeline_report import (
    PipelineReport,
    arrival_figures,
    backfill_figure,
    idle_figures,
    peer_figures,
    phase_figures,
)
from benchmarks.rounds import Backfill, Phase, gaps_between

pytestmark = pytest.mark.unit


def _samples(*seconds: float, cpu: float = 1) -> list[Sample]:
    return [Sample(100, value, cpu, cpu, 0) for value in seconds]


def _phases() -> dict[str, Phase]:
    return {
        "first_single": Phase(_samples(4, 40, 4), _samples(8, 80, 8), [1.0, 9.0]),
        "models": Phase(_samples(6, 9, 6, cpu=3), _samples(6, 6, 6, cpu=2), [2.0], [0.1, 0.6]),
        "single": Phase(_samples(4), _samples(8)),
    }


def test_the_first_models_are_held_against_the_floor_of_the_same_round() -> None:
    single, single_cpu, models, models_cpu, *_ = phase_figures(_phases())
    assert (single.value, models.value, models_cpu.value) == (0.5, 1.0, 1.5)
    assert (single.at_most, single_cpu.at_most, models.at_most) == (0.8, None, None)
    assert single.is_met


def test_arrivals_from_outside_are_those_of_both_phases() -> None:
    ingest, outside, gap = arrival_figures([1.0, 1.6, 1.7], _phases())
    assert (ingest.value, ingest.is_met) == (1.6, False)
    assert (outside.value, outside.is_met) == (2.0, True)
    assert (gap.name, gap.value) == ("end of a task → start of the next, a task a model", 0.35)


def test_a_gap_begins_with_the_last_end_before_a_start() -> None:
    def times(start: float, end: float) -> tuple[datetime, datetime]:
        return datetime.fromtimestamp(start, tz=UTC), datetime.fromtimestamp(end, tz=UTC)

    run = [times(0, 2), times(2.5, 3), times(2.5, 9), times(3.25, 4), times(9.5, 10)]
    assert gaps_between(run) == [0.5, 0.5, 0.25, 0.5]


def test_a_backfill_is_held_against_one_day() -> None:
    figure = backfill_figure(
        [Backfill(30, 2), Backfill(12, 3), Backfill(19, 1)], _phases()["models"]
    )
    assert figure.value == pytest.approx(19 / 6)
    assert not figure.is_met


def test_waiting_counts_all_processes() -> None:
    waiting = Idle(
        50, {"scheduler": 4, "triggerer": 2}, {"scheduler": 9 * 10**8, "triggerer": 5 * 10**8}, 1
    )
    share, memory = idle_figures(waiting)
    assert share.value == pytest.approx(12)
    assert share.is_met
    assert (memory.value, memory.is_met) == (1.4, False)


def test_only_measured_peers_are_reported_and_compared_with_what_runs_dbt_alike() -> None:
    measured = {"dagster": _samples(20, 18, 30), "tutorial": _samples(12)}
    tutorial, tutorial_single, dagster_models, dagster = peer_figures(measured, _phases())
    assert tutorial.name == "faster than the tutorial design, a task a model"
    assert (tutorial.value, tutorial.at_least, tutorial_single.at_least) == (2, 5, None)
    assert dagster.name == "faster than Dagster, one task for all models"
    assert (dagster.value, dagster.at_least, dagster_models.at_least) == (5, 3, None)


def test_the_report_shows_and_keeps_everything() -> None:
    report = PipelineReport(
        {"machine": "a small one"},
        _phases(),
        [1.0],
        [Backfill(12.5, 3)],
        Idle(60, {"scheduler": 6}, {"scheduler": 10**9}, 1.2),
        {"prefect": _samples(30, 31)},
    )
    text = report.markdown()
    for shown in ("| Prefect", "| 30.50", "4.00 to 40.00", "| 12.50", "| scheduler", "a small one"):
        assert shown in text
    kept = json.loads(json.dumps(report.as_json()))
    assert kept["phases"]["first_single"]["arrivals"] == [1.0, 9.0]
    assert len(kept["figures"]) == len(report.figures) == 14
