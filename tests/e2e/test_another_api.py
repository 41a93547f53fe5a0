"""The main job with another API and another day, and then the stand-in API again."""

import pytest

from local.stand_in_api import stand_in
from local.switchable import running
from tests.stack import LocalStack

pytestmark = [pytest.mark.e2e, pytest.mark.thorough, pytest.mark.timeout(600)]


def test_another_day_of_another_api_reaches_the_marts(stack: LocalStack) -> None:
    with running(stand_in(12, seed=5)) as other:
        done = stack.run_readme(
            "make run API=https://jsonplaceholder.typicode.com",
            replaced={"https://jsonplaceholder.typicode.com": other.url},
            DAY="2025-10-20",
        )
        back = stack.command("up", "--api", "stand-in")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert back.returncode == 0, back.stdout[-3000:]
    assert "12 received = 12 loaded + 0 rejected" in done.stdout
    loaded = stack.marts(
        "select loaded from marts.fct_daily_loads where day = '2025-10-20' and source = 'posts'"
    )
    assert loaded == [(12,)]
