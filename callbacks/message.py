"""What an alert says. Invariant: no secret, and nothing from data that a reader would interpret.

Only errors of our own carry their text (they are written to be free of secrets); of any other only
the type is told, and the log has the rest.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from scripts.errors import PipelineError
from scripts.settings import deployment

_MOST_CHARACTERS = 500


@dataclass(frozen=True)
class Failure:
    """One failed run, in the words of an alert; every field is plain text."""

    environment: str
    dag_id: str
    run_id: str
    task_id: str
    day: str
    error: str
    log_url: str
    fingerprint: str

    @property
    def subject(self) -> str:
        """One line: what failed, where."""
        what = f"{self.dag_id}.{self.task_id}" if self.task_id else self.dag_id
        return f"[{self.environment}] {what} failed ({self.day})"

    def facts(self) -> dict[str, str]:
        """The labelled lines of the alert, in order."""
        return {
            "DAG": self.dag_id,
            "Task": self.task_id or "the run as a whole",
            "Run": self.run_id,
            "Day": self.day,
            "Error": self.error,
        }

    def slack_blocks(self) -> list[dict[str, Any]]:
        """Return the alert as Block Kit blocks."""
        lines = "\n".join(f"*{label}*: {_slack(text)}" for label, text in self.facts().items())
        return [
            _section(f":red_circle: *{_slack(self.subject)}*"),
            _section(lines),
            _section(f"<{self.log_url}|Open the log>"),
        ]

    def slack_text(self) -> str:
        """Return the one-line fallback of the blocks."""
        return _slack(self.subject)

    def html(self) -> str:
        """Return the alert as the HTML of a mail."""
        rows = "".join(
            f"<tr><th align='left'>{label}</th><td>{html.escape(text)}</td></tr>"
            for label, text in self.facts().items()
        )
        link = html.escape(self.log_url, quote=True)
        return (
            f"<h3>{html.escape(self.subject)}</h3><table>{rows}</table>"
            f'<p><a href="{link}">Open the log</a></p>'
        )


def failure_of(context: Mapping[str, Any]) -> Failure:
    """Read a failure from a callback's context, which may hold no more than dag and run_id."""
    dag_run = context.get("dag_run")
    instance = context.get("task_instance") or context.get("ti")
    dag_id = str(getattr(context.get("dag"), "dag_id", None) or getattr(dag_run, "dag_id", "?"))
    run_id = str(context.get("run_id") or getattr(dag_run, "run_id", "?"))
    task_id = str(getattr(instance, "task_id", None) or "")
    clear_number = getattr(dag_run, "clear_number", None) or 0
    return Failure(
        environment=deployment().environment,
        dag_id=dag_id,
        run_id=run_id,
        task_id=task_id,
        day=_one_line(_day(context, dag_run)),
        error=_error(context),
        log_url=_log_url(dag_id, run_id, instance),
        fingerprint=f"{dag_id}/{run_id}/{clear_number}",
    )


def _day(context: Mapping[str, Any], dag_run: Any) -> str:
    params = context.get("params") or {}
    if params.get("day"):
        return str(params["day"])
    if params.get("days"):
        return ", ".join(map(str, params["days"]))
    moment = getattr(dag_run, "logical_date", None) or getattr(dag_run, "run_after", None)
    return moment.date().isoformat() if moment else "no day"


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


def _log_url(dag_id: str, run_id: str, instance: Any) -> str:
    from airflow.sdk.configuration import conf

    base = str(conf.get("api", "base_url", fallback="http://localhost:8080")).rstrip("/")
    url = f"{base}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
    task_id = getattr(instance, "task_id", None)
    if not task_id:
        return url
    try_number = getattr(instance, "try_number", None) or 1
    return f"{url}/tasks/{quote(task_id, safe='')}?try_number={try_number}"


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:3000]}}
