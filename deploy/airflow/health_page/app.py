"""The sub-application. Invariant: every route requires Airflow's login and its right to view.

It is read-only. FastAPI's documentation routes are off, because Airflow's guards do not cover them.
"""

import secrets
from datetime import UTC, datetime
from threading import BoundedSemaphore

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag, requires_access_view
from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import HTMLResponse

from health_page.config import page_config
from health_page.page import render, render_unknown
from scripts.errors import PipelineError, UnavailableError
from scripts.health.facts import Health
from scripts.health.verdict import read_health
from scripts.settings import deployment

# At most this many of the reader's connections and of the server's threads are for the page.
_AT_ONCE = 4
_TURN_SECONDS = 5
_turns = BoundedSemaphore(_AT_ONCE)

router = APIRouter(dependencies=[Depends(requires_access_view(AccessView.WEBSITE))])


@router.get("/")
def page() -> HTMLResponse:
    """Show the health of the pipeline."""
    return _answer("")


@router.get(
    "/dags/{dag_id}/", dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.RUN))]
)
def tab(dag_id: str) -> HTMLResponse:
    """Show the same page as a tab of a DAG, because the pipeline is one unit."""
    return _answer(dag_id)


def create_app() -> FastAPI:
    """Return the application that Airflow mounts."""
    app = FastAPI(title="Health", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    return app


def _answer(dag_id: str) -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    now = datetime.now(UTC)
    try:
        content, status = render(_health(now), deployment(), dag_id, nonce), 200
    except PipelineError as error:  # its text is one line without secrets
        content, status = render_unknown(error, now, nonce), 503
    return HTMLResponse(content, status, _headers(nonce))


def _health(now: datetime) -> Health:
    if not _turns.acquire(timeout=_TURN_SECONDS):
        raise UnavailableError("too many requests at the same time, and the warehouse is slow")
    try:
        found = page_config()
        return read_health(found.dsn, found.settings, deployment(), now)
    finally:
        _turns.release()


def _headers(nonce: str) -> dict[str, str]:
    """Return headers that allow only our own style and script, and forbid caching."""
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }
