"""Secrets planted in every place of an error must not appear in the output."""

import json

import pytest

from scripts.alerts.incident import Incident, Kind
from scripts.alerts.redaction import clean, known_secrets

pytestmark = pytest.mark.unit

_PLANTED = "pl4nted-Secret_value"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "postgres", "password": _PLANTED})),
        ("AIRFLOW_CONN_X", json.dumps({"extra": {"aws_secret_access_key": _PLANTED}})),
        ("AIRFLOW_CONN_X", json.dumps({"extra": json.dumps({"api_token": _PLANTED})})),
        ("AIRFLOW_CONN_X", json.dumps({"extra": {"headers": {"X-Key": f"Bearer {_PLANTED}"}}})),
        ("AIRFLOW_CONN_X", f"postgres://user:{_PLANTED}@host/db"),
        ("WAREHOUSE_DSN", f"postgresql://loader:{_PLANTED}@db:5432/warehouse"),
        ("SOME_SETTING", f"host=db password={_PLANTED} dbname=x"),
        ("PIPELINE_LOADER_PASSWORD", _PLANTED),
        ("AIRFLOW__CORE__FERNET_KEY", _PLANTED),
        ("HEARTBEAT_URL", f"https://hc-ping.com/{_PLANTED}"),
    ],
)
def test_what_the_environment_holds_is_masked_in_any_text(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    secrets = known_secrets({name: value})
    assert any(_PLANTED in secret for secret in secrets)

    for text in (value, f"before {_PLANTED} after" if _PLANTED in secrets else value):
        facts, links = {"Error": text}, {"Log": f"http://a/{text}"}
        incident = Incident.new(Kind.RUN_FAILED, text, None, facts, links)
        assert _PLANTED not in str(incident) + incident.fingerprint
        assert "***" in incident.facts["Error"]


@pytest.mark.parametrize(
    "text",
    [
        "could not connect to postgresql://loader:s3cr3tpw@db:5432/warehouse",
        "password=s3cr3tpw host=db",
        "'aws_secret_access_key': 's3cr3tpw'",
        "POST https://hooks.slack.com/services/T000/B000/s3cr3tpw failed",
        "Authorization: Bearer s3cr3tpw.abc",
        "key AKIAS3CR3TPWS3CR3TPW was refused",
        "GET https://s3/x?X-Amz-Credential=s3cr3tpw&X-Amz-Signature=s3cr3tpw",
        "token eyJhbGciOi.s3cr3tpw.s3cr3tpw",
        "xoxb-s3cr3tpw-1234",
        "remote: ghp_s3cr3tpws3cr3tpws3cr3tpw",
        "github_pat_s3cr3tpws3cr3tpws3cr3tpw",
        "glpat-s3cr3tpws3cr3tpw",
        "key=AIzas3cr3tpws3cr3tpws3cr3tpw",
        "sk_live_s3cr3tpws3cr3tpw",
        "GET https://api.example/v1?auth=s3cr3tpw&page=2",
        "GET https://api.example/v1?code=s3cr3tpw",
        "Cookie: session=s3cr3tpw; other=s3cr3tpw",
        "'Set-Cookie': 'id=s3cr3tpw'",
        "Authorization: s3cr3tpw",
        "'authorization': 'Digest s3cr3tpw'",
    ],
)
def test_what_is_shaped_like_a_secret_is_masked(text: str) -> None:
    assert "s3cr3tpw" not in clean(text).lower()


@pytest.mark.parametrize(
    "text",
    [
        'invalid input syntax for type integer: "Jane Doe"',
        'value "Jane Doe" is out of range for type bigint',
        "duplicate key DETAIL: Key (name)=(Jane Doe) already exists.",
        "Failing row contains (1, Jane Doe, 2026).",
    ],
)
def test_what_a_database_repeats_of_a_record_is_left_out(text: str) -> None:
    assert "Jane" not in clean(text)


def test_an_ordinary_line_is_left_as_it_is() -> None:
    line = "https://api.example.com/posts?_page=2 answers 503 at byte 10: tried 4 times"
    assert clean(line) == line
    assert clean('relation "ops.loads" does not exist') == 'relation "ops.loads" does not exist'


def test_a_text_is_one_line_and_short() -> None:
    assert clean("a\n\tb\r\n") == "a b"
    assert len(clean("x" * 10_000)) == 501
    assert clean("x" * 10_000).endswith("…")


@pytest.mark.timeout(5)
@pytest.mark.parametrize("piece", ["a.", "password ", "://a:", 'invalid input "', "token-", "x"])
def test_no_text_takes_long(piece: str) -> None:
    assert len(clean(piece * 1_000_000)) <= 501
