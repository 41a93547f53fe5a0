"""Texts stay what they are, whatever encoding the environment, the role or the database prefers."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from local.postgres import PostgresServer
from scripts.errors import ConfigurationError
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.migrate import migrate
from scripts.settings import dbt_environment
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.loading import SETTINGS, array, post, put

pytestmark = pytest.mark.integration

_ROOT = Path(__file__).parents[3]
_TEXT = "ä € 🚀 \u0131"
_DAY = date(2026, 1, 1)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252"])
def test_texts_reach_the_marts_unchanged(
    warehouse: Warehouse,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    encoding: str,
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    with psycopg.connect(warehouse.admin, autocommit=True, client_encoding="utf8") as connection:
        for kind, name in (("database", warehouse.name), ("role", "loader")):
            connection.execute(
                sql.SQL("alter {} {} set client_encoding = {}").format(
                    sql.SQL(kind), sql.Identifier(name), sql.Literal(encoding)
                )
            )
    record = json.dumps(post(1, title=_TEXT), ensure_ascii=False).encode()
    put(store, array([record]), key=raw_key("posts", _DAY))
    try:
        result = load(POSTS, _DAY, store, warehouse.loader, SETTINGS)
        assert (result.loaded, result.rejected) == (1, 0)
        done = subprocess.run(
            [sys.executable, "-m", "scripts.dbt"],
            cwd=_ROOT,
            env={
                **dbt_environment(
                    warehouse.transformer, {**os.environ, "PGCLIENTENCODING": encoding}
                ),
                "DBT_TARGET_PATH": str(tmp_path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        with psycopg.connect(warehouse.reader, client_encoding="utf8") as connection:
            rows = connection.execute("select title from marts.fct_posts").fetchall()
        assert rows == [(_TEXT,)]
    finally:
        with psycopg.connect(warehouse.admin, autocommit=True) as connection:
            connection.execute("alter role loader reset client_encoding")


def test_a_database_that_cannot_store_every_text_is_refused(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute("create database latin encoding 'LATIN1' locale 'C' template template0")
    with pytest.raises(ConfigurationError, match="the database latin has the encoding LATIN1"):
        migrate(postgres.dsn("latin"))
