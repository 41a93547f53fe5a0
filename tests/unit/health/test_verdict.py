"""The verdict: the reasons for red, amber, grey and green. Unknown is never green."""

from datetime import timedelta

import pytest

from scripts.alerts.incident import Incident, Kind
from scripts.health.facts import State, worst
from scripts.health.queries import ParkedObject, UndeliveredMessages
from scripts.health.verdict import compose
from tests.unit.health.pictures import (
    LINEAGE,
    NOW,
    SETTINGS,
    TODAY,
    changed,
    health,
    opened,
    past,
    seen,
    tile,
)

pytestmark = pytest.mark.unit

_MINUTE = timedelta(minutes=1)


def test_all_is_well() -> None:
    found = health(seen(past()))
    assert found.state is State.GREEN
    assert found.reason == "every mart is fresh, and no action is required"
    assert (found.needs, found.waiting) == ([], [])


def test_without_any_data_nothing_is_known() -> None:
    found = health(seen([]))
    assert found.state is State.GREY
    assert {tile.state for tile in found.tiles} == {State.GREY}
    assert {mart.state for mart in found.marts} == {State.GREY}


def test_without_dbts_manifest_it_is_not_green() -> None:
    found = compose(seen(past()), {}, SETTINGS, "test", NOW)
    assert found.state is State.GREY


def test_a_mart_that_was_never_published_is_not_green() -> None:
    lineage = {**LINEAGE, "fct_todos": frozenset({"todos"})}
    found = compose(seen(past()), lineage, SETTINGS, "test", NOW)
    assert found.state is State.GREY
    assert (found.marts[0].name, found.marts[0].word) == ("fct_todos", "never published")


def test_what_is_broken_is_red_also_before_the_first_load() -> None:
    failed = opened(Incident(Kind.RUN_FAILED, "ingest_posts"))
    found = health(seen([], incidents=[failed]))
    assert found.state is State.RED
    assert "ingest_posts failed" in found.reason


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (Kind.DBT_TEST_FAILED, State.RED),
        (Kind.NO_ANSWER, State.RED),
        (Kind.VOLUME_UNUSUAL, State.AMBER),
        (Kind.DELIVERY_FAILED, State.AMBER),
    ],
)
def test_an_open_incident_is_as_bad_as_its_alert_says(kind: Kind, state: State) -> None:
    found = health(seen(past(), incidents=[opened(Incident(kind, "x"))]))
    assert (found.state, found.needs[0].state, tile(found, "incidents").value) == (
        state,
        state,
        "1",
    )


def test_a_silence_spares_people_and_not_the_verdict() -> None:
    until = NOW + timedelta(hours=8)
    failed = opened(Incident(Kind.RUN_FAILED, "ingest_posts"), silent_until=until)
    found = health(seen(past(), incidents=[failed]))
    assert (found.state, found.needs[0].silent_until) == (State.RED, until)


@pytest.mark.parametrize(("minutes", "state"), [(59, State.AMBER), (61, State.RED)])
def test_a_load_may_wait_for_its_publication_but_not_for_ever(minutes: int, state: State) -> None:
    loaded_at = NOW - minutes * _MINUTE
    found = health(seen(changed(past(), "posts", 1, loaded_at=loaded_at, published_at=None)))
    assert found.state is state
    if state is State.AMBER:
        assert found.waiting == [
            "posts: 1 loaded but not published, 2026-03-17, for 59 of 60 minutes"
        ]
        assert found.needs == []
    else:
        assert [need.fingerprint for need in found.needs] == ["loads/load-unpublished"]


def test_a_message_that_is_tried_again_is_a_warning() -> None:
    found = health(seen(past(), undelivered=[UndeliveredMessages("slack", 2, 1)]))
    assert found.state is State.AMBER
    assert found.waiting == ["slack: 2 pending messages after 1 attempts, will be retried"]


def test_stale_marts_keep_their_badge_beside_whatever_is_fine() -> None:
    later = NOW + timedelta(hours=SETTINGS.marts_stale_hours)
    found = health(seen(past()), later, landing_deadline_hours=48)
    assert found.state is State.RED
    assert {mart.word for mart in found.marts} == {"stale"}
    assert (tile(found, "marts").value, tile(found, "marts").state) == ("0 of 2", State.RED)
    assert "marts/marts-stale" in [need.fingerprint for need in found.needs]


def test_stale_marts_keep_their_badge_also_where_an_open_cause_explains_them() -> None:
    later = NOW + timedelta(hours=SETTINGS.marts_stale_hours)
    failed = opened(Incident(Kind.RUN_FAILED, "transform_posts"))
    found = health(seen(past(), incidents=[failed]), later, landing_deadline_hours=48)
    assert [need.kind for need in found.needs] == ["run-failed"]  # a consequence is not a cause
    assert {mart.word for mart in found.marts} == {"stale"}
    assert "fct_posts is stale" in found.reasons


def test_a_mart_is_as_stale_as_its_stalest_source_and_comes_first() -> None:
    loads = [load for load in past() if load.source != "comments" or load.day.month < 3]
    found = health(seen(loads), late_days=1)
    assert [(mart.name, mart.state, mart.source) for mart in found.marts] == [
        ("fct_posts", State.RED, "comments"),
        ("dim_authors", State.GREEN, found.marts[1].source),
    ]
    assert tile(found, "marts").value == "1 of 2"


def test_a_source_that_never_landed_makes_no_mart_stale() -> None:
    found = health(seen([load for load in past() if load.source != "users"]))
    assert found.state is State.GREEN


def test_a_missing_day_is_shown_before_the_watch_has_reported_it() -> None:
    found = health(seen(changed(past(), "users", 3, gone=True)))
    [need] = found.needs
    assert found.state is State.RED
    assert (need.fingerprint, need.since) == ("users/day-late/2026-03-15", None)
    assert need.title == "users has not landed (2026-03-15)"


def test_what_the_watch_has_reported_is_shown_once() -> None:
    late = opened(Incident(Kind.DAY_LATE, "users", TODAY - timedelta(days=3)))
    found = health(seen(changed(past(), "users", 3, gone=True), incidents=[late]))
    [need] = found.needs
    assert need.since == NOW - timedelta(hours=1)


def test_a_day_that_its_failed_ingest_explains_is_no_second_cause() -> None:
    failed = opened(Incident(Kind.RUN_FAILED, "ingest_users", TODAY - timedelta(days=3)))
    found = health(seen(changed(past(), "users", 3, gone=True), incidents=[failed]))
    assert [need.kind for need in found.needs] == ["run-failed"]


def test_a_parked_object_names_its_reason_and_the_run_that_met_it() -> None:
    parked = ParkedObject("posts", TODAY - timedelta(days=2), "no JSON", "manual__1")
    [need] = health(seen(past(), parked=[parked])).needs
    assert (need.kind, need.state) == ("object-parked", State.RED)
    assert (need.facts, need.run_id) == ({"Reason": "no JSON"}, "manual__1")


def test_errors_come_before_warnings() -> None:
    unusual = opened(Incident(Kind.VOLUME_UNUSUAL, "posts", TODAY))
    found = health(seen(changed(past(), "users", 3, gone=True), incidents=[unusual]))
    assert [need.kind for need in found.needs] == ["day-late", "volume-unusual"]
    assert found.reasons[0] == "users has not landed (2026-03-15)"
    assert found.reason.endswith("and 1 more")


def test_the_worst_of_many_is_ordered() -> None:
    assert worst([State.GREEN, State.GREY]) is State.GREY
    assert worst([State.GREY, State.AMBER]) is State.AMBER
    assert worst([State.AMBER, State.RED]) is State.RED
    assert worst([]) is State.GREY


def test_no_state_is_reported_by_colour_alone() -> None:
    assert len({state.shape for state in State}) == len(State)
    assert len({state.word for state in State}) == len(State)
