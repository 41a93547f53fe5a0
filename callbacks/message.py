"""What an alert says. Invariant: no secret, and nothing from data that a reader would interpret.

Only errors of our own carry their text (they are written to be free of secrets); of any other only
the type is told, and the log has the rest.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from scripts.errors import PipelineError
from scripts.settings import deployment

_MOST_CHARACTERS = 500


@dataclass(frozen=True)
class Run:
    """The run that a callback speaks of, as far as its context knows it; plain text throughout."""

    dag_id: str
    run_id: str
    day: str
    task_id: str
    try_number: int

    @property
    def fingerprint(self) -> str:
        """One cause: the DAG, and its day where the DAG is run for one."""
        return f"{self.dag_id}/{self.day}"

    @property
    def log_url(self) -> str:
        """Where Airflow's UI shows the log of the task, or the run."""
        from airflow.sdk.configuration import conf

        base = str(conf.get("api", "base_url", fallback="http://localhost:8080")).rstrip("/")
        url = f"{base}/dags/{quote(self.dag_id, safe='')}/runs/{quote(self.run_id, safe='')}"
        if not self.task_id:
            return url
        return f"{url}/tasks/{quote(self.task_id, safe='')}?try_number={self.try_number}"


@dataclass(frozen=True)
class Message:
    """An alert before it is dressed for a channel: a subject, labelled facts and a link."""

    icon: str
    subject: str
    link: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def slack_blocks(self) -> list[dict[str, Any]]:
        """Return the alert as Block Kit blocks."""
        lines = "\n".join(f"*{label}*: {_slack(text)}" for label, text in self.facts.items())
        return [
            _section(f":{self.icon}: *{_slack(self.subject)}*"),
            _section(lines),
            _section(f"<{self.link}|Open the log>"),
        ]

    def slack_text(self) -> str:
        """Return the one-line fallback of the blocks."""
        return _slack(self.subject)

    def html(self) -> str:
        """Return the alert as the HTML of a mail."""
        rows = "".join(
            f"<tr><th align='left'>{label}</th><td>{html.escape(text)}</td></tr>"
            for label, text in self.facts.items()
        )
        link = html.escape(self.link, quote=True)
        return (
            f"<h3>{html.escape(self.subject)}</h3><table>{rows}</table>"
            f'<p><a href="{link}">Open the log</a></p>'
        )


def run_of(context: Mapping[str, Any]) -> Run:
    """Read the run from a callback's context, which may hold no more than dag and run_id."""
    dag_run = context.get("dag_run")
    instance = context.get("task_instance") or context.get("ti")
    return Run(
        dag_id=str(getattr(context.get("dag"), "dag_id", None) or getattr(dag_run, "dag_id", "?")),
        run_id=str(context.get("run_id") or getattr(dag_run, "run_id", "?")),
        day=_day(context, dag_run),
        task_id=str(getattr(instance, "task_id", None) or ""),
        try_number=getattr(instance, "try_number", None) or 1,
    )


def failure_message(run: Run, context: Mapping[str, Any]) -> Message:
    """Say what failed, for which day, why, and where the log is."""
    what = f"{run.dag_id}.{run.task_id}" if run.task_id else run.dag_id
    facts = {
        "DAG": run.dag_id,
        "Task": run.task_id or "the run as a whole",
        "Run": run.run_id,
        "Day": run.day,
        "Error": _error(context),
    }
    return Message("red_circle", f"{_place()} {what} failed ({run.day})", run.log_url, facts)


def recovery_message(run: Run, after: timedelta) -> Message:
    """Say that what had failed works again, and for how long it did not."""
    lasted = timedelta(seconds=round(after.total_seconds()))
    subject = f"{_place()} {run.dag_id} recovered after {lasted} ({run.day})"
    facts = {"DAG": run.dag_id, "Run": run.run_id, "Day": run.day}
    return Message("large_green_circle", subject, run.log_url, facts)


def _place() -> str:
    return f"[{deployment().environment}]"


def _day(context: Mapping[str, Any], dag_run: Any) -> str:
    """Return the day that the run is for; a DAG without one takes whatever waits."""
    params = context.get("params") or {}
    if "days" in params:
        return "all days"
    if params.get("day"):
        return _one_line(params["day"])
    moment = getattr(dag_run, "logical_date", None) or getattr(dag_run, "run_after", None)
    return moment.date().isoformat() if moment and "day" in params else "all days"


def _error(context: Mapping[str, Any]) -> str:
    error = context.get("exception")
    if isinstance(error, PipelineError):
        return f"{type(error).__name__}: {_one_line(error)}"
    if isinstance(error, BaseException):
        return type(error).__name__
    return _one_line(context.get("reason") or "unknown: the process left no error")


def _one_line(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]}…"


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:3000]}}
