"""When Slack refuses messages, mail does not wait, and no message is lost or sent twice."""

import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.alerts.harness import LOOK, WATCH, Harness, say
from tests.stack import now, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.thorough, pytest.mark.timeout(900)]

_DEAF = "slack does not accept alerts"
_MAIL_SECONDS = 60  # from giving Slack up until the mail
_STARTS = 30  # seconds that a look of the watch may need until it sends, on a busy machine
_RETRY_AFTER = 30
_OUTAGE = timedelta(minutes=10)
_MINUTE = 60  # like the real watch interval, longer than any pause between attempts


@pytest.fixture(autouse=True)
def _all_behave_again(harness: Harness) -> Iterator[None]:
    yield
    harness.stack.switch()
    harness.slack.reopen()


def _fail(harness: Harness, day: str) -> datetime:
    """Make the ingest of a day fail with a dead API. Return when the failure was certain."""
    harness.stack.switch(drop=True)
    run_id, state = harness.stack.run_by_hand("ingest_posts", {"day": day})
    assert state == "failed"
    [task] = harness.stack.airflow.tasks("ingest_posts", run_id)
    return datetime.fromisoformat(task["end_date"])


def _repair(harness: Harness, day: str) -> None:
    """Make the same ingest succeed. Check that one alert and one recovery were sent."""
    title = f"ingest_posts failed ({day})"
    harness.stack.switch()
    assert harness.stack.run_by_hand("ingest_posts", {"day": day})[1] == "success"
    harness.wait_for_alert(title, "recovered", WATCH + LOOK)
    harness.assert_delivered_once(title, f"ingest_posts/run-failed/{day}")


def _attempts(harness: Harness, fingerprint: str) -> int:
    rows = harness.stack.query(
        """
        select attempts from ops.deliveries inner join ops.incidents using (incident_id)
        where fingerprint = %s and channel = 'slack' and phase = 'opened'
        """,
        fingerprint,
    )
    return int(rows[0][0]) if rows else 0


def _mailed_at_once(harness: Harness, title: str, certain_at: datetime) -> None:
    mailed = harness.wait_for_alert(title, "opened", _MAIL_SECONDS, ("mail",))["mail"]
    seconds = (mailed - certain_at).total_seconds()
    say(f"mailed {seconds:+.1f} s after the failure was certain")
    assert seconds <= _MAIL_SECONDS


def _delivered(harness: Harness, title: str, back_at: datetime, goal: float) -> None:
    slacked = harness.wait_for_alert(title, "opened", goal + _STARTS)["slack"]
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
        # What a mistyped address of Slack answers, and what a proxy or a login page answers.
        ("2025-04-06", {"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}}),
        ("2025-04-07", {"status": 200, "body": "<html>sign in</html>"}),
    ],
    ids=["429 with Retry-After", "500", "hangs", "connection refused", "302", "a page"],
)
def test_a_slack_that_refuses_is_reported_by_mail_and_notified_when_it_is_back(
    harness: Harness, day: str, refusal: dict[str, Any] | None
) -> None:
    title, fingerprint = f"ingest_posts failed ({day})", f"ingest_posts/run-failed/{day}"
    deaf_before = len(harness.messages(_DEAF))
    if refusal is None:
        harness.slack.close()
    else:
        harness.slack.reopen()
        harness.slack.refuse(**refusal)

    _mailed_at_once(harness, title, _fail(harness, day))
    wait_for(lambda: _attempts(harness, fingerprint), lambda n: n > 1, _RETRY_AFTER + WATCH + LOOK)
    if refusal is not None:
        first, second, *_ = harness.slack.asked()
        say(f"Slack was asked again after {(second - first).total_seconds():.1f} s")
        assert second - first >= timedelta(seconds=refusal.get("retry_after", 0))
    wait_for(lambda: len(harness.messages(_DEAF)), lambda n: n == deaf_before + 1, WATCH + LOOK)
    assert [one.channel for one in harness.messages(title)] == ["mail"]

    harness.slack.reopen()
    _delivered(harness, title, now(), max(WATCH, _RETRY_AFTER if refusal else 0))
    wait_for(lambda: len(harness.messages(_DEAF)), lambda n: n == deaf_before + 2, WATCH + LOOK)
    assert {one.channel for one in harness.messages(_DEAF)} == {"mail"}
    assert [one.phase for one in harness.messages(_DEAF)[deaf_before:]] == ["opened", "recovered"]
    _repair(harness, day)


def test_a_kill_between_send_and_mark_repeats_the_same_incident(
    harness: Harness, kill_folder: Path
) -> None:
    day = "2025-04-05"
    title, fingerprint = f"ingest_posts failed ({day})", f"ingest_posts/run-failed/{day}"
    armed = kill_folder / "alerts.sent"
    armed.with_name(".draft").write_text(signal.SIGKILL.name)
    armed.with_name(".draft").rename(armed)

    _fail(harness, day)

    def sent() -> list[str]:
        return sorted(one.channel for one in harness.messages(title))

    assert wait_for(sent, lambda found: len(found) > 2, WATCH + LOOK) == ["mail", "slack", "slack"]
    [(number,)] = harness.stack.query(
        "select incident_id from ops.incidents where fingerprint = %s", fingerprint
    )
    footer = f"incident {number} · {fingerprint}"
    assert all(footer in one.whole for one in harness.messages(title))

    harness.stack.switch()
    assert harness.stack.run_by_hand("ingest_posts", {"day": day})[1] == "success"
    harness.wait_for_alert(title, "recovered", WATCH + LOOK)
    assert sent() == ["mail", "mail", "slack", "slack", "slack"]


@pytest.mark.timeout(1500)
def test_after_an_outage_of_ten_minutes_slack_is_notified_at_the_next_look(
    harness: Harness,
) -> None:
    """This test must be the last: it sets the watch interval to one minute."""
    day = "2025-04-06"
    title, fingerprint = f"ingest_posts failed ({day})", f"ingest_posts/run-failed/{day}"
    harness.stack.restart_airflow(PIPELINE_WATCH_SCHEDULE="* * * * *")
    harness.slack.close()
    down_at = now()
    _mailed_at_once(harness, title, _fail(harness, day))
    wait_for(lambda: now() - down_at, _OUTAGE.__lt__, _OUTAGE.total_seconds() + _STARTS)
    # The worst case: Slack comes back just after a failed attempt.
    before = _attempts(harness, fingerprint)
    wait_for(lambda: _attempts(harness, fingerprint), before.__lt__, _MINUTE + _STARTS)
    say(f"Slack was down for {(now() - down_at).total_seconds():.0f} s, asked {before + 1} times")

    harness.slack.reopen()
    _delivered(harness, title, now(), _MINUTE)
    wait_for(lambda: harness.messages(_DEAF)[-1].phase, "recovered".__eq__, 2 * _MINUTE + LOOK)
    assert {one.channel for one in harness.messages(_DEAF)} == {"mail"}
    _repair(harness, day)
