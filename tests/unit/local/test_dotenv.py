"""What `make env` writes: private, random, complete, and never over an existing file."""

import re
import shutil
import stat
from pathlib import Path

import pytest

from local.dotenv import dotenv
from local.dotenv import main as write_dotenv
from local.secret_files import FOLDER
from local.state import ROOT
from scripts.errors import ConfigurationError
from scripts.settings import (
    admin_dsn_from_env,
    api_from_env,
    role_passwords_from_env,
    transformer_dsn_from_env,
    warehouse_dsn_from_env,
)
from sources import SOURCES
from tests.documents import dotenv_settings

pytestmark = pytest.mark.unit

_EXAMPLE = (ROOT / ".env.example").read_text()


def test_make_env_is_private_random_and_never_overwrites(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    texts = []
    for folder in (one, two):
        folder.mkdir()
        write_dotenv("", folder)
        assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
        texts.append((folder / ".env").read_text())
    first, second = (
        {
            n: v
            for n, v in dotenv_settings(text).items()
            if re.search("PASSWORD|SECRET|KEY", n) and v
        }
        for text in texts
    )
    made = set(first)
    assert len(made) == 5
    assert len(set(first.values())) == len(first)
    assert [name for name in made if first[name] == second[name]] == []
    assert all(len(value) >= 32 for value in first.values())

    write_dotenv("", one)
    assert (one / ".env").read_text() == texts[0]
    with pytest.raises(ConfigurationError, match=r"is for no profile.*COMPOSE_PROFILES"):
        write_dotenv("celery", one)
    assert (one / ".env").read_text() == texts[0]


def test_a_file_of_an_earlier_release_gets_what_is_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dotenv("celery", tmp_path)
    path = tmp_path / ".env"
    new = ("PIPELINE_EXECUTOR", "PIPELINE_VIEWER_PASSWORD")
    lines = [line for line in path.read_text().splitlines(True) if not line.startswith(new)]
    path.write_text("".join(lines))
    shutil.rmtree(tmp_path / FOLDER)

    write_dotenv("", tmp_path)

    text = path.read_text()
    assert text.startswith("".join(lines))
    settings = dotenv_settings(text)
    assert len(settings["PIPELINE_VIEWER_PASSWORD"]) >= 32
    assert settings["PIPELINE_EXECUTOR"] == "CeleryExecutor"
    assert "added PIPELINE_VIEWER_PASSWORD, PIPELINE_EXECUTOR" in capsys.readouterr().out
    assert (tmp_path / FOLDER / "metadata_conn").exists()


def test_a_new_file_has_the_password_of_the_owner_that_volumes_have(tmp_path: Path) -> None:
    """Whoever deletes .env keeps the warehouse: its owner gives the roles their new passwords."""
    write_dotenv("", tmp_path)
    password = (tmp_path / FOLDER / "warehouse_password").read_text()
    (tmp_path / ".env").unlink()
    write_dotenv("", tmp_path)
    settings = dotenv_settings((tmp_path / ".env").read_text())
    assert f"owner:{password}@" in settings["PIPELINE_WAREHOUSE_ADMIN_DSN"]


def test_what_make_env_writes_is_what_our_own_commands_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dotenv("local", tmp_path)
    env = {n: v for n, v in dotenv_settings((tmp_path / ".env").read_text()).items() if v}
    for name in ("POSTS_API_URL", "DBT_HOST"):
        env.pop(name)  # values of the example, for manual commands, which take precedence
    monkeypatch.setenv("PIPELINE_ALLOW_PRIVATE_API", env["PIPELINE_ALLOW_PRIVATE_API"])
    assert "user=loader" in warehouse_dsn_from_env(env)
    assert "user=transformer" in transformer_dsn_from_env(env)
    assert admin_dsn_from_env(env).startswith("postgresql://owner:")
    assert set(role_passwords_from_env(env)) == {"loader", "transformer", "reader"}
    assert api_from_env(SOURCES["posts"].api, env).url == "http://api:8000"


@pytest.mark.parametrize(
    ("profiles", "listed", "bucket", "executor"),
    [
        (set(), "", "", ""),
        ({"local"}, "local", "landing", ""),
        ({"celery"}, "celery", "", "CeleryExecutor"),
        ({"local", "celery"}, "celery,local", "landing", "CeleryExecutor"),
    ],
)
def test_a_profile_sets_its_values(
    profiles: set[str], listed: str, bucket: str, executor: str
) -> None:
    made = dotenv_settings(dotenv(_EXAMPLE, profiles, "pw"))
    assert made["COMPOSE_PROFILES"] == listed
    assert made["LANDING_BUCKET"] == bucket
    assert made["PIPELINE_EXECUTOR"] == executor


def test_everything_else_stays_as_the_example_has_it() -> None:
    made = dotenv(_EXAMPLE, set(), "pw").splitlines()
    example = _EXAMPLE.splitlines()
    assert [line.partition("=")[0] for line in made] == [line.partition("=")[0] for line in example]
    changed = {new.partition("=")[0] for new, old in zip(made, example, strict=True) if new != old}
    assert "AIRFLOW_CONN_WAREHOUSE" in changed
    assert "PIPELINE_ALERT_EMAIL" not in changed


def test_a_setting_that_the_example_lacks_is_named() -> None:
    example = _EXAMPLE.replace("PIPELINE_LOADER_PASSWORD=", "PIPELINE_LOADER_PASSWROD=")
    with pytest.raises(ConfigurationError, match=r"lacks PIPELINE_LOADER_PASSWORD: add"):
        dotenv(example, set(), "pw")


def test_an_unknown_profile_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unknown profile loacl"):
        write_dotenv("loacl,celery", tmp_path)
    assert list(tmp_path.iterdir()) == []
