"""`python -m scripts.alerts`, as an operator runs it."""

import json

import pytest
from typer.testing import CliRunner

from local.sinks import mails
from scripts.alerts import __main__ as alerts
from scripts.alerts.delivery import report_failure, report_recovery
from scripts.alerts.incident import Incident, Kind
from scripts.errors import ConfigurationError, InvalidInputError, UnavailableError
from tests.documents import ROOT, run_readme
from tests.inbox import MAIL, PLACE, SECRET, Inbox

pytestmark = pytest.mark.integration

_STALE = Incident(Kind.MARTS_STALE, "marts")


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(alerts.app, arguments)
    if isinstance(done.exception, Exception):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_what_is_open_is_listed_and_what_is_over_when_asked(inbox: Inbox) -> None:
    assert json.loads(_run("list")) == []
    report_failure(inbox.dsn, _STALE, inbox.channels(), PLACE, is_again=False)
    done = run_readme("python -m scripts.alerts list", ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    [row] = json.loads(done.stdout)
    assert (row["fingerprint"], row["class"], row["severity"], row["seen"]) == (
        "marts/marts-stale",
        "marts-stale",
        "error",
        1,
    )
    report_recovery(inbox.dsn, _STALE.fingerprint, inbox.channels(), PLACE)
    assert json.loads(_run("list")) == []
    assert json.loads(_run("list", "--all"))[0]["closed_at"]


def test_a_silence_needs_a_ticket_and_ends(inbox: Inbox) -> None:
    with pytest.raises(InvalidInputError, match="ticket"):
        _run("silence", "marts/marts-stale", "--hours", "1", "--ticket", "later")
    ticket = ("--ticket", "https://tickets.example/7")
    output = _run("silence", "marts/marts-stale", "--hours", "1", *ticket)
    assert "marts/marts-stale is silent until" in output

    report_failure(inbox.dsn, _STALE, inbox.channels(), PLACE, is_again=False)
    assert inbox.counts() == (0, 0)
    _run("silence", "marts/marts-stale", "--hours", "0", *ticket)
    report_failure(inbox.dsn, _STALE, inbox.channels(), PLACE, is_again=False)
    assert inbox.counts() == (1, 1)


def test_a_test_sends_one_of_each_class_to_each_channel_and_says_so(inbox: Inbox) -> None:
    output = _run("test")
    for channel in ("slack", MAIL):
        for kind in Kind:
            assert f"{channel}: {kind} was accepted" in output
    assert inbox.counts() == (len(Kind), len(Kind))
    assert inbox.query("select count(*) from ops.incidents") == [(0,)]
    text = mails(inbox.folder)[0]["text"]
    assert "Note: This is a test. No action required." in text
    assert "may be sent twice" not in text


def test_a_test_says_what_did_not_arrive_and_why(inbox: Inbox) -> None:
    inbox.switch(status=403)
    with pytest.raises(UnavailableError, match="slack: slack answers 403"):
        _run("test")
    assert inbox.counts() == (0, len(Kind))
    with pytest.raises(ConfigurationError, match="403"):
        _run("check")


def test_a_check_sends_nothing(inbox: Inbox) -> None:
    done = run_readme("python -m scripts.alerts check", ROOT)
    assert (done.returncode, done.stdout) == (0, f"slack: works\n{MAIL}: works\n"), done.stderr
    assert inbox.counts() == (0, 0)


def test_no_channel_at_all_is_an_error(inbox: Inbox) -> None:
    inbox.without("AIRFLOW_CONN_SLACK_ALERTS")
    inbox.without("PIPELINE_ALERT_EMAIL")
    for command in ("check", "test"):
        with pytest.raises(ConfigurationError, match="no channel is configured"):
            _run(command)


def test_a_connection_whose_text_is_broken_is_named_and_not_shown(inbox: Inbox) -> None:
    inbox.monkeypatch.setenv("AIRFLOW_CONN_SLACK_ALERTS", f'{{"password": "{SECRET}"')
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_SLACK_ALERTS") as error:
        _run("check")
    assert SECRET not in str(error.value)
