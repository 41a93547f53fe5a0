"""The settings of the Helm values work with real services: a secrets backend, logs in S3."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.ministack import REGION, MiniStack
from scripts.settings import Deployment

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

_ROOT = Path(__file__).parents[3]
_LOG_BUCKET = "elt-pipeline-logs"
_PROGRAM = """
import json, pathlib, sys
from airflow.models.connection import Connection
from airflow.providers.amazon.aws.log.s3_task_handler import S3RemoteLogIO
from scripts.settings import dsn_of

dsn = dsn_of(Connection.get_connection_from_secrets("warehouse"))
logs = S3RemoteLogIO.from_config()
path = pathlib.Path(logs.base_log_folder) / "dag_id=d" / "attempt=1.log"
path.parent.mkdir(parents=True)
path.write_text("the task's own words\\n")
logs.upload(path)
print(json.dumps({"dsn": dsn, "log": logs.s3_read(f"{logs.remote_base}/dag_id=d/attempt=1.log"),
                  "is_local_copy_gone": not path.exists()}))
"""


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    text = (_ROOT / "deploy" / "helm" / "values.yaml").read_text()
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_connections_come_from_the_backend_and_logs_go_to_s3(
    values: dict[str, Any], ministack: MiniStack, tmp_path: Path
) -> None:
    session, endpoint = ministack.session(), ministack.endpoint
    session.client("s3", endpoint_url=endpoint).create_bucket(
        Bucket=_LOG_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    secrets = session.client("secretsmanager", endpoint_url=endpoint)
    warehouse = {"conn_type": "postgres", "host": "db.internal", "login": "loader", "port": 5432}
    aws = {"conn_type": "aws", "extra": {"region_name": REGION}}
    for name, connection in (("warehouse", warehouse), ("aws_logs", aws)):
        secrets.create_secret(
            Name=f"airflow/connections/{name}", SecretString=json.dumps(connection)
        )
    configured = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": str(value)
        for section in ("secrets", "logging")
        for key, value in values["config"][section].items()
    }
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(_ROOT),
            "AIRFLOW_HOME": str(tmp_path / "home"),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(tmp_path / "logs"),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            **configured,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert "host=db.internal" in seen["dsn"]
    assert "the task's own words" in seen["log"]
    assert seen["is_local_copy_gone"]


def test_the_values_hold_no_secret_and_name_known_settings(values: dict[str, Any]) -> None:
    known = {
        str(field.validation_alias or f"PIPELINE_{name.upper()}")
        for name, field in Deployment.model_fields.items()
    }
    assert {entry["name"] for entry in values["env"]} <= known
    assert values["executor"] == "KubernetesExecutor"
    assert values["airflowVersion"] == "3.3.2"
    assert not values["postgresql"]["enabled"]
    for name in ("fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName"):
        assert values[name].startswith("pipeline-")
