"""Every route of the sub-application requires a permission. A new unguarded route fails here."""

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from health_page.app import create_app

pytestmark = pytest.mark.unit

_VIEW, _DAG = "requires_access_view.<locals>.inner", "requires_access_dag.<locals>.inner"


def _guards(dependant: Dependant) -> set[str]:
    return {getattr(one.call, "__qualname__", "") for one in dependant.dependencies}


def test_every_route_is_read_only_and_guarded_and_there_is_no_other() -> None:
    found = {}
    for route in create_app().routes:
        assert isinstance(route, APIRoute), route  # no documentation routes, no static files
        assert route.methods == {"GET"}
        found[route.path] = _guards(route.dependant)
    assert found.keys() == {"/", "/dags/{dag_id}/"}
    assert all(_VIEW in guards for guards in found.values())
    assert _DAG in found["/dags/{dag_id}/"]
