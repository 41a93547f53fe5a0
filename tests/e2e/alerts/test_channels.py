"""A Slack that refuses: mail does not wait, the message is not lost, and nothing is told twice."""

import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.alerts.desk import LOOK, WATCH, Desk, say
from tests.stack import now, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.thorough, pytest.mark.timeout(900)]

_DEAF = "slack does not accept alerts"
_MAIL_SECONDS = 60  # from giving Slack up until the mail
_STARTS = 30  # seconds that a look of the watch may need until it sends, on a busy machine
_RETRY_AFTER = 30
_OUTAGE = timedelta(minutes=10)
_MINUTE = 60  # a watch interval that is longer than any pause between attempts, as the real one is


@pytest.fixture(autouse=True)
def _all_behave_again(desk: Desk) -> Iterator[None]:
    yield
    desk.stack.switch()
    desk.slack.reopen()


def _fail(desk: Desk, day: str) -> datetime:
    """Let the ingest of a day fail by a dead API; return when that was certain."""
    desk.stack.switch(drop=True)
    run_id, state = desk.stack.run_by_hand("ingest_posts", {"day": day})
    assert state == "failed"
    [task] = desk.stack.airflow.tasks("ingest_posts", run_id)
    return datetime.fromisoformat(task["end_date"])


def _mend(desk: Desk, day: str) -> None:
    """Let the same ingest succeed; see that its failure was told once, and its end."""
    title = f"ingest_posts failed ({day})"
    desk.stack.switch()
    assert desk.stack.run_by_hand("ingest_posts", {"day": day})[1] == "success"
    desk.told(title, "recovered", WATCH + LOOK)
    desk.assert_told_once(title, f"ingest_posts/run-failed/{day}")


def _attempts(desk: Desk, fingerprint: str) -> int:
    rows = desk.stack.query(
        """
        select attempts from ops.deliveries inner join ops.incidents using (incident_id)
        where fingerprint = %s and channel = 'slack' and phase = 'opened'
        """,
        fingerprint,
    )
    return int(rows[0][0]) if rows else 0


def _mailed_at_once(desk: Desk, title: str, certain_at: datetime) -> None:
    mailed = desk.told(title, "opened", _MAIL_SECONDS, ("mail",))["mail"]
    seconds = (mailed - certain_at).total_seconds()
    say(f"mailed {seconds:+.1f} s after the failure was certain")
    assert seconds <= _MAIL_SECONDS


def _delivered(desk: Desk, title: str, back_at: datetime, goal: float) -> None:
    slacked = desk.told(title, "opened", goal + _STARTS)["slack"]
    seconds = (slacked - back_at).total_seconds()
    say(f"delivered {seconds:.1f} s after Slack was back")
    assert seconds <= goal + _STARTS


@pytest.mark.parametrize(
    ("day", "refusal"),
    [
        ("2025-04-01", {"status": 429, "retry_after": _RETRY_AFTER}),
        ("2025-04-02", {"status": 500}),
        ("2025-04-03", {"status": 500, "delay": 60}),
        ("2025-04-04", None),
    ],
    ids=["429 with Retry-After", "500", "hangs", "connection refused"],
)
def test_a_slack_that_refuses_is_told_of_by_mail_and_told_when_it_is_back(
    desk: Desk, day: str, refusal: dict[str, Any] | None
) -> None:
    title, fingerprint = f"ingest_posts failed ({day})", f"ingest_posts/run-failed/{day}"
    deaf_before = len(desk.messages(_DEAF))
    if refusal is None:
        desk.slack.close()
    else:
        desk.slack.reopen()
        desk.slack.refuse(**refusal)

    _mailed_at_once(desk, title, _fail(desk, day))
    wait_for(lambda: _attempts(desk, fingerprint), lambda n: n > 1, _RETRY_AFTER + WATCH + LOOK)
    if refusal is not None:
        first, second, *_ = desk.slack.asked()
        say(f"Slack was asked again after {(second - first).total_seconds():.1f} s")
        assert second - first >= timedelta(seconds=refusal.get("retry_after", 0))
    wait_for(lambda: len(desk.messages(_DEAF)), lambda n: n == deaf_before + 1, WATCH + LOOK)
    assert [one.channel for one in desk.messages(title)] == ["mail"]

    desk.slack.reopen()
    _delivered(desk, title, now(), max(WATCH, _RETRY_AFTER if refusal else 0))
    wait_for(lambda: len(desk.messages(_DEAF)), lambda n: n == deaf_before + 2, WATCH + LOOK)
    assert {one.channel for one in desk.messages(_DEAF)} == {"mail"}
    assert [one.phase for one in desk.messages(_DEAF)[deaf_before:]] == ["opened", "recovered"]
    _mend(desk, day)


def test_a_kill_between_send_and_mark_repeats_the_same_incident(
    desk: Desk, kill_folder: Path
) -> None:
    day = "2025-04-05"
    title, fingerprint = f"ingest_posts failed ({day})", f"ingest_posts/run-failed/{day}"
    armed = kill_folder / "alerts.sent"
    armed.with_name(".draft").write_text(signal.SIGKILL.name)
    armed.with_name(".draft").rename(armed)

    _fail(desk, day)

    def told() -> list[str]:
        return sorted(one.channel for one in desk.messages(title))

    assert wait_for(told, lambda found: len(found) > 2, WATCH + LOOK) == ["mail", "slack", "slack"]
    [(number,)] = desk.stack.query(
        "select incident_id from ops.incidents where fingerprint = %s", fingerprint
    )
    footer = f"incident {number} · {fingerprint}"
    assert all(footer in one.whole for one in desk.messages(title))

    desk.stack.switch()
    assert desk.stack.run_by_hand("ingest_posts", {"day": day})[1] == "success"
    desk.told(title, "recovered", WATCH + LOOK)
    assert told() == ["mail", "mail", "slack", "slack", "slack"]


@pytest.mark.timeout(1500)
def test_after_an_outage_of_ten_minutes_slack_is_told_at_the_next_look(desk: Desk) -> None:
    """It comes last: from here on the watch looks each minute."""
    day = "2025-04-06"
    title, fingerprint = f"ingest_posts failed ({day})", f"ingest_posts/run-failed/{day}"
    desk.stack.restart_airflow(PIPELINE_WATCH_SCHEDULE="* * * * *")
    desk.slack.close()
    down_at = now()
    _mailed_at_once(desk, title, _fail(desk, day))
    wait_for(lambda: now() - down_at, _OUTAGE.__lt__, _OUTAGE.total_seconds() + _STARTS)
    # Slack comes back just after it was asked in vain: nobody waits longer.
    before = _attempts(desk, fingerprint)
    wait_for(lambda: _attempts(desk, fingerprint), before.__lt__, _MINUTE + _STARTS)
    say(f"Slack was down for {(now() - down_at).total_seconds():.0f} s, asked {before + 1} times")

    desk.slack.reopen()
    _delivered(desk, title, now(), _MINUTE)
    wait_for(lambda: desk.messages(_DEAF)[-1].phase, "recovered".__eq__, 2 * _MINUTE + LOOK)
    assert {one.channel for one in desk.messages(_DEAF)} == {"mail"}
    _mend(desk, day)
