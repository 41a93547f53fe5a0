"""Every way to configure is read, a wrong value is named, and no secret is printed."""

import json
import os
import re
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from scripts.errors import ConfigurationError
from scripts.settings import (
    Deployment,
    Engine,
    RunSettings,
    admin_dsn_from_env,
    api_from_env,
    deployment,
    engine_environment,
    enter_dbt_settings,
    role_passwords_from_env,
    run_settings_from_env,
    warehouse_dsn_from_env,
)
from sources.declaration import Api, single_page

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parents[2]
SECRET = "s3cr3t-of-the-test"


def connection(**parts: Any) -> str:
    return json.dumps(parts)


def test_run_settings_are_laid_over_the_defaults() -> None:
    read = run_settings_from_env({"AIRFLOW_VAR_PIPELINE": '{"read_timeout": 2.5, "max_pages": 3}'})
    assert (read.read_timeout, read.max_pages) == (2.5, 3)
    assert read.connect_timeout == RunSettings().connect_timeout
    assert run_settings_from_env({}) == run_settings_from_env({"AIRFLOW_VAR_PIPELINE": ""})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"read_timeout": 0}', "read_timeout"),
        ('{"max_reject_share": 2}', "max_reject_share"),
        ('{"raed_timeout": 1}', "raed_timeout"),
        ("{", "AIRFLOW_VAR_PIPELINE"),
        ("[]", "AIRFLOW_VAR_PIPELINE"),
    ],
)
def test_a_wrong_run_setting_is_named(text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        run_settings_from_env({"AIRFLOW_VAR_PIPELINE": text})


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql+psycopg2://loader:{SECRET}@h/db",
        f"mysql://loader:{SECRET}@h/db",
        f"loader:{SECRET}@h/db",
        f"jdbc:postgresql://h/db?user=u&password={SECRET}",
        f"postgresql://loader:s/{SECRET}@h/db",
        f"postgresql://loader:s@{SECRET}@h/db",
        f"postgresql://loader:s%{SECRET}@h/db",
        f"postgresql://loader:s {SECRET}@h/db",
        f"postgresql://loader:{SECRET}@[::1/db",
        f"postgresql://loader:{SECRET}@h:54x2/db",
        f"host=h password=s {SECRET} user=u",
        f"host=h password='{SECRET} user=u",
        f"host=h pasword={SECRET}",
    ],
)
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("WAREHOUSE_DSN", warehouse_dsn_from_env),
        ("PIPELINE_WAREHOUSE_ADMIN_DSN", admin_dsn_from_env),
    ],
    ids=["loader", "owner"],
)
def test_a_dsn_that_is_not_read_as_it_is_meant_is_not_repeated(
    name: str, read: Any, dsn: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is not a DSN such as") as caught:
        read({name: dsn})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:s%40%2F%25%20@h:5432/db?sslmode=require",
        "postgres://u:a'b#c:d@[::1]:5432/db",
        "postgresql://u:p@h1:5432,h2:5433/db",
        "host=/run/postgresql dbname=db user=u password='a b'",
    ],
)
def test_a_good_dsn_is_left_as_it_is(dsn: str) -> None:
    assert warehouse_dsn_from_env({"WAREHOUSE_DSN": dsn}) == dsn


def test_run_settings_cannot_be_changed_after_reading() -> None:
    read: Any = RunSettings()
    with pytest.raises(ValueError, match="frozen"):
        read.max_pages = 1


def test_a_deployment_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDING_BUCKET", "landing")
    monkeypatch.setenv("PIPELINE_OWNER", "me")
    monkeypatch.setenv("PIPELINE_TASK_RETRIES", "0")
    read = deployment()
    assert (read.bucket(), read.owner, read.task_retries) == ("landing", "me", 0)


def test_what_is_missing_or_wrong_in_a_deployment_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LANDING_BUCKET", raising=False)
    with pytest.raises(ConfigurationError, match="LANDING_BUCKET"):
        Deployment().bucket()
    monkeypatch.setenv("PIPELINE_TASK_RETRIES", "-1")
    with pytest.raises(ConfigurationError, match="task_retries"):
        deployment()


_POSTS = Api(name="posts", paginator=single_page())
_posts_api = partial(api_from_env, _POSTS)


def test_each_api_has_its_own_variables_and_secrets() -> None:
    shop = connection(host="shop.example", password=SECRET, extra={"refresh_token": f"r-{SECRET}"})
    environ = {"POSTS_API_URL": "https://api.example", "AIRFLOW_CONN_SHOP_API": shop}
    endpoint = api_from_env(Api(name="shop", paginator=single_page()), environ)
    assert (endpoint.url, endpoint.login) == ("https://shop.example", None)
    assert (endpoint.secret, endpoint.refresh_token) == (SECRET, f"r-{SECRET}")
    assert SECRET not in repr(endpoint)
    assert _posts_api(environ).url == "https://api.example"


def test_the_variable_replaces_the_address_of_the_connection_and_keeps_its_secrets() -> None:
    other = connection(conn_type="http", host="other.example", port=8443, password=SECRET)
    environ = {"POSTS_API_URL": "https://api.example/v1", "AIRFLOW_CONN_POSTS_API": other}
    endpoint = _posts_api(environ)
    assert (endpoint.url, endpoint.secret) == ("https://api.example/v1", SECRET)


def test_a_declared_address_needs_no_connection_and_yields_to_one() -> None:
    api = Api(name="shop", base_url="https://shop.example/v2", paginator=single_page())
    assert api_from_env(api, {}).url == "https://shop.example/v2"
    secret = {"AIRFLOW_CONN_SHOP_API": connection(password=SECRET)}
    endpoint = api_from_env(api, secret)
    assert (endpoint.url, endpoint.secret) == ("https://shop.example/v2", SECRET)
    other = {"AIRFLOW_CONN_SHOP_API": connection(host="http://other.example")}
    assert api_from_env(api, other).url == "http://other.example"


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        ({"host": "api.example"}, "https://api.example"),
        ({"host": "api.example", "schema": "http", "port": 81}, "http://api.example:81"),
        ({"host": "http://api.example/"}, "http://api.example"),
        ({"host": "http://api.example", "port": 8080}, "http://api.example:8080"),
        ({"host": "http://api.example/v1/x", "port": 8080}, "http://api.example:8080/v1/x"),
        ({"host": "api.example/v1", "port": 8080}, "https://api.example:8080/v1"),
    ],
)
def test_an_http_connection_becomes_an_endpoint(parts: dict[str, Any], url: str) -> None:
    made = _posts_api({"AIRFLOW_CONN_POSTS_API": connection(conn_type="http", **parts)})
    assert made.url.rstrip("/") == url


@pytest.mark.parametrize("as_text", [False, True], ids=["object", "text"])
def test_an_endpoint_takes_login_and_headers_and_shows_neither(*, as_text: bool) -> None:
    extra: Any = {"headers": {"X-Key": SECRET}}
    parts = {
        "host": "api.example",
        "login": "me",
        "password": SECRET,
        "extra": json.dumps(extra) if as_text else extra,
    }
    endpoint = _posts_api({"AIRFLOW_CONN_POSTS_API": connection(**parts)})
    assert endpoint.login == ("me", SECRET)
    assert endpoint.headers == {"X-Key": SECRET}
    assert SECRET not in repr(endpoint)


def test_a_postgres_connection_becomes_a_dsn_with_its_ssl_options_only() -> None:
    text = connection(
        conn_type="postgres",
        host="db.example",
        port=5433,
        schema="warehouse",
        login="loader",
        password=f"{SECRET} '\\",
        extra={"sslmode": "require", "cursor": "dictcursor"},
    )
    assert conninfo_to_dict(warehouse_dsn_from_env({"AIRFLOW_CONN_WAREHOUSE": text})) == {
        "host": "db.example",
        "port": "5433",
        "dbname": "warehouse",
        "user": "loader",
        "password": f"{SECRET} '\\",
        "sslmode": "require",
    }
    assert warehouse_dsn_from_env({"WAREHOUSE_DSN": "dbname=x"}) == "dbname=x"


def test_owner_and_passwords_are_for_migrations_only() -> None:
    assert admin_dsn_from_env({"PIPELINE_WAREHOUSE_ADMIN_DSN": "dbname=x"}) == "dbname=x"
    assert role_passwords_from_env({"PIPELINE_LOADER_PASSWORD": SECRET}) == {"loader": SECRET}


@pytest.mark.parametrize(
    ("read", "named"),
    [
        (_posts_api, "POSTS_API_URL"),
        (warehouse_dsn_from_env, "WAREHOUSE_DSN"),
        (admin_dsn_from_env, "PIPELINE_WAREHOUSE_ADMIN_DSN"),
    ],
)
def test_what_is_not_configured_is_named(read: Any, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        read({})


_unreadable = [f'{{"host": "h", "password": "{SECRET}"', f'"{SECRET}"', f"http://me:{SECRET}@h"]
_misshapen = [
    f'{{"host": "h", "password": {{"no": "{SECRET}"}}}}',
    f'{{"host": "h", "password": "{SECRET}", "port": "x"}}',
    f'{{"host": "h", "extra": "{SECRET}"}}',
]


@pytest.mark.parametrize(
    "text",
    [
        *_unreadable,
        *_misshapen,
    ],
)
@pytest.mark.parametrize(
    ("conn_id", "read"), [("POSTS_API", _posts_api), ("WAREHOUSE", warehouse_dsn_from_env)]
)
def test_a_wrong_connection_is_named_without_its_secret(conn_id: str, read: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"AIRFLOW_CONN_{conn_id}") as caught:
        read({f"AIRFLOW_CONN_{conn_id}": text})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_headers_that_are_no_object_are_refused_by_name() -> None:
    text = '{"host": "h", "extra": {"headers": "text"}}'
    with pytest.raises(ConfigurationError, match="headers"):
        _posts_api({"AIRFLOW_CONN_POSTS_API": text})


def test_the_example_names_every_setting() -> None:
    example = (_ROOT / ".env.example").read_text()
    for name, field in Deployment.model_fields.items():
        variable = field.validation_alias or f"PIPELINE_{name.upper()}"
        assert f"\n{variable}=" in example, variable


@pytest.mark.parametrize(
    ("file", "row"),
    [
        (".env.example", r"^#   (\w+) +([\d.]+) +\w"),
        ("docs/operations.md", r"^\| `(\w+)` \| ([\d.]+) \| \w"),
    ],
)
def test_every_run_setting_is_documented_with_its_default(file: str, row: str) -> None:
    rows = re.findall(row, (_ROOT / file).read_text(), re.MULTILINE)
    documented = {name: float(default) for name, default in rows}
    defaults = {name: float(value) for name, value in RunSettings().model_dump().items()}
    assert documented == defaults


@pytest.mark.parametrize(
    "file", [".env.example", "docker-compose.yaml", "deploy/helm/values.yaml", "docs/operations.md"]
)
def test_run_settings_have_one_name_in_every_deployment(file: str) -> None:
    text = (_ROOT / file).read_text()
    assert "AIRFLOW_VAR_PIPELINE" in text
    assert "PIPELINE_RUN_SETTINGS" not in text


def test_the_earlier_name_of_the_run_settings_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="set AIRFLOW_VAR_PIPELINE"):
        run_settings_from_env({"PIPELINE_RUN_SETTINGS": "{}"})


def test_dbt_reads_the_threshold_of_the_run_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's own default is that of the settings."""
    monkeypatch.setenv("PIPELINE_VOLUME_Z_SCORE", "0")  # restored after the test
    enter_dbt_settings(RunSettings(volume_z_score=4.5))
    assert os.environ["PIPELINE_VOLUME_Z_SCORE"] == "4.5"
    test = (_ROOT / "dbt" / "tests" / "singular" / "volume_is_usual.sql").read_text()
    [default] = re.findall(r'env_var\("PIPELINE_VOLUME_Z_SCORE", "([\d.]+)"\)', test)
    assert float(default) == RunSettings().volume_z_score


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"lakehouse_python": sys.executable}, "PIPELINE_SPARK_REMOTE"),
        ({"spark_remote": "sc://h:1", "lakehouse_python": "/nowhere"}, "PIPELINE_LAKEHOUSE_PYTHON"),
        ({"spark_remote": "sc://h:1", "lakehouse_python": sys.executable}, "LAKEHOUSE_ROOT"),
    ],
)
def test_an_engine_that_is_not_configured_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Deployment(**settings).engine()


def test_the_engines_interpreter_gets_its_own_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    engine = Engine("/lake", "sc://h:1", sys.executable, 9)
    environment = engine_environment("host=db dbname=elt", engine)
    assert "PYTHONPATH" not in environment
    assert environment["SPARK_REMOTE"] == "sc://h:1"
    assert environment["DBT_HOST"] == "db"
