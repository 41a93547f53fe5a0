"""Count the alerts of a fault. Invariant: each channel gets one alert and one recovery per cause.

Every message ends with the fingerprint of its cause. A repeated alert is correct only while the
warehouse is down, because then no table records what was already sent.
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
_SECONDS = 180  # timeout: a few runs of the watch
_FOOTER = re.compile(r"incident (?:\d+|not recorded) · ([^'\r\n]+)")
_UNFINISHED = """
    select fingerprint from ops.incidents where closed_at is null
    union all select 'undelivered to ' || channel from ops.deliveries where sent_at is null
"""


def wait_until_all_is_delivered(stack: LocalStack) -> None:
    """Wait until no incident is open and no message is undelivered."""
    wait_for(lambda: stack.query(_UNFINISHED), lambda rows: rows == [], _SECONDS)


def looks_since(stack: LocalStack, moment: datetime) -> list[dict[str, Any]]:
    """Return the successful runs of the watch that started after a given time."""
    looks = stack.airflow.runs_since("watch_pipeline", moment)
    return [look for look in looks if look["state"] == "success"]


@dataclass
class AlertCounter:
    """Counts the alerts that are sent after the counter is created."""

    stack: LocalStack
    _since: datetime = field(init=False, default_factory=now)
    _first: int = field(init=False)
    _offsets: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        [(self._first,)] = self.stack.query(
            "select coalesce(max(incident_id), 0) + 1 from ops.incidents"
        )
        self._offsets = {channel: len(sent) for channel, sent in self._all_messages().items()}

    def miscounted(self, *, is_warehouse_down: bool) -> Iterator[str]:
        """Wait until every recovery is delivered. Then yield each wrong count."""
        failed, since = self._failed_runs(), now()
        if failed:  # a callback may come late, so the next run of the watch decides
            wait_for(lambda: looks_since(self.stack, since), bool, _SECONDS)
        wait_until_all_is_delivered(self.stack)
        counted = self.incidents(), self._messages()
        yield from miscounted(failed, *counted, is_warehouse_down=is_warehouse_down)

    def _failed_runs(self) -> set[str]:
        """Return the DAGs that have a failed run."""
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
        sent = self._all_messages()
        return {channel: sent[channel][offset:] for channel, offset in self._offsets.items()}

    def _all_messages(self) -> dict[str, list[Message]]:
        inbox = self.stack.folder / "inbox"
        by_slack = [(m["body"]["text"], str(m["body"]["blocks"])) for m in slack_messages(inbox)]
        return {"slack": by_slack, "mail": [(m["subject"], m["text"]) for m in mails(inbox)]}


def miscounted(
    failed: Collection[str],
    incidents: Sequence[str],
    messages: Mapping[str, Sequence[Message]],
    *,
    is_warehouse_down: bool,
) -> Iterator[str]:
    """Yield each cause that does not have one incident, one alert and one recovery message.

    Args:
        failed: the DAGs that have a failed run. Each must be a cause.
        incidents: the causes of all incidents, all of them resolved.
        messages: the messages that each channel accepted.
        is_warehouse_down: whether a channel may have received an alert more than once.
    """
    causes = Counter(incidents)
    yield from (f"{cause} was {n} incidents" for cause, n in causes.items() if n > 1)
    known = {cause.split("/")[0] for cause in causes}
    yield from (f"{dag_id} failed and was no incident" for dag_id in sorted({*failed} - known))
    for channel, sent in messages.items():
        begun, ended = _counted(sent)
        for cause in sorted({*causes, *begun, *ended}):
            is_begun = begun[cause] == 1 or (is_warehouse_down and begun[cause] > 1)
            if not is_begun or ended[cause] != 1:
                yield f"{channel}: {cause} began {begun[cause]} times, ended {ended[cause]}"


def _counted(messages: Sequence[Message]) -> tuple[Counter[str], Counter[str]]:
    """Count the alerts and the recovery messages of each cause."""
    begun, ended = Counter[str](), Counter[str]()
    for subject, text in messages:
        found = _FOOTER.search(text)
        cause = found[1] if found else f"({subject})"
        (ended if "recovered after" in subject else begun)[cause] += 1
    return begun, ended
