"""Renders the page as HTML. Invariant: data is escaped, and only http and https URLs are links."""

from datetime import UTC, datetime
from functools import cache
from urllib.parse import quote, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from health_page.charts import HEIGHT, charts
from health_page.plugin import airflow_path, airflow_url
from scripts.alerts.incident import Kind
from scripts.alerts.runbook import runbook_url
from scripts.errors import ConfigurationError
from scripts.health.facts import Cell, Health, Need, State
from scripts.health.tiles import duration
from scripts.settings import Deployment

_CELLS = {
    Cell.ON_TIME: ("●", "green"),
    Cell.LATE: ("▲", "amber"),
    Cell.PARKED: ("■", "red"),
    Cell.MISSING: ("✕", "red"),
    Cell.PENDING: ("○", "grey"),
    Cell.BEFORE: ("·", "grey"),
}
_TRANSFORM = "transform_posts"


def render(health: Health, place: Deployment, dag_id: str, nonce: str) -> str:
    """Return the page. `dag_id` names the DAG whose tab shows it, or is empty."""
    return (
        _environment()
        .get_template("health.html.j2")
        .render(
            health=health,
            dag_id=dag_id,
            charts=charts(health),
            height=HEIGHT,
            cells=_CELLS,
            amber=State.AMBER,
            needs=[(need, _links(need, place)) for need in health.needs],
            nonce=nonce,
        )
    )


def render_unknown(error: Exception, now: datetime, nonce: str) -> str:
    """Return the page for an unavailable warehouse, with the steps to take."""
    return (
        _environment()
        .get_template("unknown.html.j2")
        .render(
            state=State.GREY,
            error=str(error),
            is_configuration=isinstance(error, ConfigurationError),
            now=now,
            dag_id="",
            nonce=nonce,
        )
    )


def _links(need: Need, place: Deployment) -> list[tuple[str, str]]:
    """Return links by label. An empty URL means that the page shows the location as text."""
    links = [(label, url) for label, url in need.links.items() if _is_web(url)]
    if not links and need.run_id:
        run = quote(need.run_id, safe="")
        links = [("Run", f"{airflow_path()}/dags/{_TRANSFORM}/runs/{run}")]
    links = [(label, _within_airflow(url)) for label, url in links]
    return [*links, ("Run book", runbook_url(place, Kind(need.kind)))]


def _is_web(url: str) -> bool:
    return urlsplit(url).scheme in {"http", "https"}


def _within_airflow(url: str) -> str:
    """Return a link into Airflow's UI without its host, to open it in the surrounding page."""
    ours = airflow_url()
    return airflow_path() + url.removeprefix(ours) if url.startswith(f"{ours}/") else url


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else "never"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("health_page"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": _moment, "duration": duration}
    return environment
