"""A managed warehouse's secrets: what is wrong is named, and no value is repeated.

tests/cloud/test_warehouse.py migrates one that Terraform has made.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from scripts.errors import ConfigurationError, PipelineError, UnavailableError
from scripts.warehouse.managed import Warehouse, logins

pytestmark = pytest.mark.integration

_OWNER = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner"
_WAREHOUSE = Warehouse("h", 1, "warehouse", _OWNER, {"loader": "elt/connections/warehouse"})


@pytest.fixture
def secrets() -> Iterator[Any]:
    """A client whose answers are given in order."""
    client: Any = boto3.Session("test", "test", region_name="eu-central-1").client("secretsmanager")
    with Stubber(client) as answers:
        client.answers = answers
        yield client
        answers.assert_no_pending_responses()


@pytest.mark.parametrize("text", ["hidden-value", '{"username": "o"}', '["hidden-value"]'])
def test_a_secret_of_another_form_is_named_without_its_value(secrets: Any, text: str) -> None:
    secrets.answers.add_response("get_secret_value", {"SecretString": text})
    with pytest.raises(ConfigurationError, match=r"secret:owner is not a JSON .*username") as found:
        logins(_WAREHOUSE, secrets, {})
    assert "hidden-value" not in str(found.value)


@pytest.mark.parametrize(
    ("code", "kind"),
    [("AccessDeniedException", ConfigurationError), ("ThrottlingException", UnavailableError)],
)
def test_an_error_is_named_by_what_the_caller_can_do(
    secrets: Any, code: str, kind: type[PipelineError]
) -> None:
    secrets.answers.add_client_error("get_secret_value", code)
    with pytest.raises(kind, match=f"secret:owner: .*{code}"):
        logins(_WAREHOUSE, secrets, {})


def test_a_secret_that_does_not_exist_is_named(secrets: Any) -> None:
    secrets.answers.add_client_error("get_secret_value", "ResourceNotFoundException")
    secrets.answers.add_client_error("describe_secret", "ResourceNotFoundException")
    with pytest.raises(ConfigurationError, match=r"secret:owner: .*ResourceNotFound"):
        logins(_WAREHOUSE, secrets, {})


@pytest.mark.parametrize("given", ["", "null", '{"host": "h"}'])
def test_what_is_not_terraforms_output_is_refused(given: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.migrate", "--managed"],
        input=given,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: standard input is not the output `warehouse` of Terraform"
    )
