"""The sub-application. Invariant: no route answers without Airflow's login and its right to view.

It only reads. Its own documentation routes are off: Airflow's guards would not cover them.
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

# Of the reader's connections and of the server's threads, so many at most are the page's.
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
    """Show the same beside a DAG: the pipeline is one."""
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
    except PipelineError as error:  # its text is one line, free of secrets
        content, status = render_unknown(error, now, nonce), 503
    return HTMLResponse(content, status, _headers(nonce))


def _health(now: datetime) -> Health:
    if not _turns.acquire(timeout=_TURN_SECONDS):
        raise UnavailableError("too many look at once, and the warehouse is slow")
    try:
        found = page_config()
        return read_health(found.dsn, found.settings, deployment(), now)
    finally:
        _turns.release()


def _headers(nonce: str) -> dict[str, str]:
    """Let nothing run or load but our own style and script, and nobody keep the answer."""
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
