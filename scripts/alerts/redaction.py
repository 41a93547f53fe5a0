"""Keeps secrets and records out of what is told. Invariant: what leaves `clean` is one short line.

Two nets: the values that this process knows to be secret, and the shapes that secrets have. A third
rule keeps the content of records out: databases repeat the value that they refuse.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from scripts.settings import whole_environment

MASK = "***"
_SECRET_NAME = re.compile(
    r"(?i)password|passwd|secret|token|fernet|private|api_?key|access_key|HEARTBEAT_URL|_DSN$"
)
_DSN_PASSWORD = re.compile(r"://[^/\s:@]*:([^\s@]+)@|\bpassword='?([^\s']+)")
_SHORTEST_SECRET = 6
_MOST_CHARACTERS = 500
_MOST_READ = 4_000
_SHAPES = [
    (re.compile(pattern), rf"\g<1>{MASK}")
    for pattern in (
        r"(://[^/\s:@]*:)[^\s@]+(?=@)",  # the password of a URL or DSN
        r"(https?://hooks\.slack[-a-z]*\.com/)[^\s|>\"']+",
        r"(\b(?:Bearer|Basic|Token)\s+)[-A-Za-z0-9._~+/=]{6,}",
        r"()\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"()\beyJ[-A-Za-z0-9_]{6,}\.[-A-Za-z0-9_.]+",  # a JSON web token
        r"()\bxox[a-z]-[-A-Za-z0-9]{6,}",
        r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*",
        (
            r"(?i)(\b[-\w.]{0,60}(?:passw(?:or)?d|secret|token|(?:api|access)[-_]?key|credential)[-\w.]{0,30}"
            r"[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&]+"
        ),
        r"(?i)([?&](?:sig|signature|x-amz-signature|x-amz-credential|key)=)[^&\s]+",
    )
]
# PostgreSQL shows the value it does not take: it is a record's content.
_ECHOES = [
    (
        re.compile(r"(invalid (?:input|byte|value)[^\"]*|out of range[^\"]*|value )\"[^\"]*\"?"),
        r'\1"…"',
    ),
    (re.compile(r"(row contains |Key )\(.*"), r"\1(…)"),
]


def clean(text: object, most: int = _MOST_CHARACTERS) -> str:
    """Return a text as one line without secrets, of at most `most` characters and an ellipsis."""
    line = redact(" ".join(str(text)[:_MOST_READ].split()))
    line = "".join(c if c.isprintable() else "�" for c in line[: most + 1])
    return line if len(line) <= most else f"{line[:most]}…"


def redact(text: str) -> str:
    """Mask known secrets, what is shaped like one, and the values that a database echoes."""
    for secret in known_secrets(whole_environment()):
        text = text.replace(secret, MASK)
    for pattern, masked in (*_SHAPES, *_ECHOES):
        text = pattern.sub(masked, text)
    return text


def known_secrets(environ: Mapping[str, str]) -> list[str]:
    """Return every value of an environment that must not be shown, the longest first.

    Passwords and extras of all connections, passwords of DSNs, and every variable whose name says
    that it is secret. What is too short to be one is left out: it would mask ordinary words.
    """
    found = frozenset().union(*(_secrets_of(*variable) for variable in environ.items()))
    return sorted((s for s in found if len(s) >= _SHORTEST_SECRET), key=len, reverse=True)


@lru_cache(maxsize=1024)  # the same variables are asked about for every text
def _secrets_of(name: str, value: str) -> frozenset[str]:
    if name.startswith("AIRFLOW_CONN_"):
        return frozenset(_secrets_of_connection(value))
    found = {value} if _SECRET_NAME.search(name) else set()
    if password := _DSN_PASSWORD.search(value):
        found.add(password[1] or password[2])
    return frozenset(found)


def _secrets_of_connection(text: str) -> set[str]:
    """Return the password of a connection, and the values of its extra that are no setting."""
    try:
        parts = msgspec.json.decode(text)
        extra = parts.get("extra") or {}
        extra = msgspec.json.decode(extra) if isinstance(extra, str) else extra
    except (msgspec.MsgspecError, AttributeError):  # the URI form, or a broken one: all of it
        password = _DSN_PASSWORD.search(text)
        return {text, *(password.groups(default="") if password else ())}
    found = {str(parts.get("password") or "")}
    for name, value in extra.items():
        if name == "headers" and isinstance(value, Mapping):
            found |= {str(header).removeprefix("Bearer ") for header in value.values()}
        elif isinstance(value, str) and _SECRET_NAME.search(name):
            found.add(value)
    return found
