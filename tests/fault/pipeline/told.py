"""What was told of a fault. Invariant: a cause is told once on each channel, and its end once.

A cause is known by its fingerprint, which every message ends with. More than one beginning is right
only while the warehouse is down: then there is no table that knows what was told already.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.sinks import mails, slack_messages
from tests.stack import LocalStack, now, wait_for

Message = tuple[str, str]  # its subject and its text
_SECONDS = 180  # to give up after: a few looks of the watch
_FOOTER = re.compile(r"incident (?:\d+|not recorded) · ([^'\r\n]+)")
_UNFINISHED = """
    select fingerprint from ops.incidents where closed_at is null
    union all select 'owed to ' || channel from ops.deliveries where sent_at is null
"""


def wait_until_all_is_told(stack: LocalStack) -> None:
    """Wait until nothing is open, and nobody has yet to be told."""
    wait_for(lambda: stack.query(_UNFINISHED), lambda rows: rows == [], _SECONDS)


def looks_since(stack: LocalStack, moment: datetime) -> list[dict[str, Any]]:
    """Return the looks of the watch that began after a moment and have ended."""
    looks = stack.airflow.runs_since("watch_pipeline", moment)
    return [look for look in looks if look["state"] == "success"]


@dataclass
class Ear:
    """Listens to what is told from a moment on."""

    stack: LocalStack
    _since: datetime = field(init=False, default_factory=now)
    _first: int = field(init=False)
    _heard: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        [(self._first,)] = self.stack.query(
            "select coalesce(max(incident_id), 0) + 1 from ops.incidents"
        )
        self._heard = {channel: len(told) for channel, told in self._told().items()}

    def misheard(self, *, is_warehouse_down: bool) -> Iterator[str]:
        """Wait until the end of every cause is told; yield what was not told as it should be."""
        failed, since = self._failed_runs(), now()
        if failed:  # a callback may come late: the watch has the last word
            wait_for(lambda: looks_since(self.stack, since), bool, _SECONDS)
        wait_until_all_is_told(self.stack)
        told = self.incidents(), self._messages()
        yield from misheard(failed, *told, is_warehouse_down=is_warehouse_down)

    def _failed_runs(self) -> set[str]:
        """Return the DAGs of which a run has failed."""
        api, since = self.stack.airflow, {"end_date_gte": self._since.isoformat()}
        runs = api.pages("/dags/~/dagRuns", "dag_runs", {"state": "failed", **since})
        return {run["dag_id"] for run in runs}

    def incidents(self) -> list[str]:
        """Return the cause of each incident."""
        rows = self.stack.query(
            "select fingerprint from ops.incidents where incident_id >= %s", self._first
        )
        return [row[0] for row in rows]

    def _messages(self) -> dict[str, list[Message]]:
        """Return the messages of each channel."""
        return {channel: told[self._heard[channel] :] for channel, told in self._told().items()}

    def _told(self) -> dict[str, list[Message]]:
        inbox = self.stack.folder / "inbox"
        by_slack = [(m["body"]["text"], str(m["body"]["blocks"])) for m in slack_messages(inbox)]
        return {"slack": by_slack, "mail": [(m["subject"], m["text"]) for m in mails(inbox)]}


def misheard(
    failed: Collection[str],
    incidents: Sequence[str],
    messages: Mapping[str, Sequence[Message]],
    *,
    is_warehouse_down: bool,
) -> Iterator[str]:
    """Yield each cause that was not one incident, or was not told once with its end.

    Args:
        failed: the DAGs of which a run has failed: each must be a cause.
        incidents: the causes of all incidents; all of them are over.
        messages: what each channel took.
        is_warehouse_down: whether a beginning may have been told more than once.
    """
    causes = Counter(incidents)
    yield from (f"{cause} was {n} incidents" for cause, n in causes.items() if n > 1)
    known = {cause.split("/")[0] for cause in causes}
    yield from (f"{dag_id} failed and was no incident" for dag_id in sorted({*failed} - known))
    for channel, told in messages.items():
        begun, ended = _counted(told)
        for cause in sorted({*causes, *begun, *ended}):
            is_begun = begun[cause] == 1 or (is_warehouse_down and begun[cause] > 1)
            if not is_begun or ended[cause] != 1:
                yield f"{channel}: {cause} began {begun[cause]} times, ended {ended[cause]}"


def _counted(messages: Sequence[Message]) -> tuple[Counter[str], Counter[str]]:
    """Count the messages that began and that ended each cause."""
    begun, ended = Counter[str](), Counter[str]()
    for subject, text in messages:
        found = _FOOTER.search(text)
        cause = found[1] if found else f"({subject})"
        (ended if "recovered after" in subject else begun)[cause] += 1
    return begun, ended
