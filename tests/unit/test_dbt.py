"""dbt from the command line: how it finds its warehouse, and what it prints of an error."""

import json
import subprocess

import pytest
from psycopg.conninfo import conninfo_to_dict

from scripts.dbt import _last_words, one_line
from scripts.errors import ConfigurationError
from scripts.settings import dbt_environment, transformer_dsn_from_env

pytestmark = pytest.mark.unit

_DSN = "host=db.example port=6543 user=someone password=p%w dbname=elt sslmode=require"


def test_the_environment_of_a_dsn_leads_back_to_it() -> None:
    environment = dbt_environment(_DSN, {"PATH": "/bin"})
    assert environment["PATH"] == "/bin"
    assert environment["PGSSLMODE"] == "require"
    expected = {k: v for k, v in conninfo_to_dict(_DSN).items() if k != "sslmode"}
    assert conninfo_to_dict(transformer_dsn_from_env(environment)) == expected


def test_the_defaults_are_those_of_the_profile() -> None:
    place = conninfo_to_dict(transformer_dsn_from_env({"DBT_HOST": "h"}))
    assert place == {"host": "h", "port": "5432", "user": "transformer", "dbname": "warehouse"}


def test_without_dbts_variables_it_is_airflows_connection() -> None:
    connection = {"conn_type": "postgres", "host": "h", "login": "u", "schema": "d"}
    environ = {"AIRFLOW_CONN_DBT_POSTGRES_CONN": json.dumps(connection)}
    place = conninfo_to_dict(transformer_dsn_from_env(environ))
    assert place == {"host": "h", "user": "u", "dbname": "d"}
    with pytest.raises(ConfigurationError, match="DBT_HOST, or AIRFLOW_CONN_DBT_POSTGRES_CONN"):
        transformer_dsn_from_env({})


def test_no_value_of_a_row_is_repeated() -> None:
    said = "Database Error\n  duplicate key\n  DETAIL:  Key (title)=(secret) exists.\n"
    assert one_line(said) == "Database Error duplicate key"


@pytest.mark.parametrize(
    ("status", "stderr", "said"),
    [
        (2, "a warning\nerror: dbt build: t: Got 1 result\nanother", "dbt build: t: Got 1 result"),
        (1, "Traceback\nModuleNotFoundError: typer", "ModuleNotFoundError: typer"),
        (1, "", "dbt ended with status 1"),
    ],
)
def test_the_last_words_of_a_build_are_its_error(status: int, stderr: str, said: str) -> None:
    assert _last_words(subprocess.CompletedProcess([], status, "", stderr)) == said
