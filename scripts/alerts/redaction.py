"""Remove secrets and data from the texts of alerts. Invariant: `clean` returns one short line."""

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
_MIN_SECRET_CHARACTERS = 6  # a shorter secret would mask ordinary words
_MAX_CHARACTERS = 500
_MAX_READ = 4_000
# The first group of each shape is not secret.
_SHAPES = (
    r"(://[^/\s:@]*:)[^\s@]+(?=@)",  # the password of a URL or DSN
    r"(https?://hooks\.slack[-a-z]*\.com/)[^\s|>\"']+",
    r"(\b(?:Bearer|Basic|Token)\s+)[-A-Za-z0-9._~+/=]{6,}",
    r"()\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"()\beyJ[-A-Za-z0-9_]{6,}\.[-A-Za-z0-9_.]+",  # a JSON web token
    r"()\bxox[a-z]-[-A-Za-z0-9]{6,}",
    r"()\b(?:gh[a-z]|github_pat|glpat|sk|pk|rk)[-_][-_A-Za-z0-9]{16,}",  # GitHub, GitLab, Stripe
    r"()\bAIza[-_A-Za-z0-9]{20,}",
    r"(?i)(\b(?:Set-)?Cookie[\"']?\s*[=:]\s*).*",
    r"(?i)(\bAuthorization[\"']?\s*[=:]\s*[\"']?(?:\w+\s+)?)[^\s\"',;]+",
    r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*",
    (
        r"(?i)(\b[-\w.]{0,60}(?:passw(?:or)?d|secret|token|(?:api|access)[-_]?key|credential)"
        r"[-\w.]{0,30}[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&]+"
    ),
    (
        r"(?i)([?&](?:sig|signature|x-amz-signature|x-amz-credential|key|auth|authorization|code|jwt)"
        r"=)[^&\s]+"
    ),
)
# PostgreSQL repeats a value that it refuses. The value is the content of a record.
_ECHOES = (
    (r"(invalid (?:input|byte|value)[^\"]*|out of range[^\"]*|value )\"[^\"]*\"?", r'\1"…"'),
    (r"(row contains |Key )\(.*", r"\1(…)"),
)


def clean(text: object, limit: int = _MAX_CHARACTERS) -> str:
    """Return a text as one line without secrets, cut after `limit` characters with an ellipsis."""
    line = redact(" ".join(str(text)[:_MAX_READ].split()))
    line = "".join(c if c.isprintable() else "�" for c in line[: limit + 1])
    return line if len(line) <= limit else f"{line[:limit]}…"


def redact(text: str) -> str:
    """Mask known secrets, texts with the shape of a secret, and values that a database repeats."""
    for secret in known_secrets(whole_environment()):
        text = text.replace(secret, MASK)
    for shape in _SHAPES:
        text = re.sub(shape, rf"\g<1>{MASK}", text)
    for echo, replacement in _ECHOES:
        text = re.sub(echo, replacement, text)
    return text


def known_secrets(environ: Mapping[str, str]) -> list[str]:
    """Return the secret values of an environment, the longest first.

    These are the passwords and secret extras of connections, the passwords of DSNs, and every
    variable whose name indicates a secret.
    """
    found = frozenset().union(*(_secrets_of(*variable) for variable in environ.items()))
    return sorted((s for s in found if len(s) >= _MIN_SECRET_CHARACTERS), key=len, reverse=True)


@lru_cache(maxsize=1024)  # each text asks for the same variables
def _secrets_of(name: str, value: str) -> frozenset[str]:
    if name.startswith("AIRFLOW_CONN_"):
        return frozenset(_secrets_of_connection(value))
    found = {value} if _SECRET_NAME.search(name) else set()
    if password := _DSN_PASSWORD.search(value):
        found.add(password[1] or password[2])
    return frozenset(found)


def _secrets_of_connection(text: str) -> set[str]:
    """Return the password of a connection, and the values of its extra that are secret."""
    try:
        parts = msgspec.json.decode(text)
        extra = parts.get("extra") or {}
        extra = msgspec.json.decode(extra) if isinstance(extra, str) else extra
    except (msgspec.MsgspecError, AttributeError):  # the URI form or invalid: the whole text
        password = _DSN_PASSWORD.search(text)
        return {text, *(password.groups(default="") if password else ())}
    found = {str(parts.get("password") or "")}
    for name, value in extra.items():
        if name == "headers" and isinstance(value, Mapping):
            found |= {str(header).removeprefix("Bearer ") for header in value.values()}
        elif isinstance(value, str) and _SECRET_NAME.search(name):
            found.add(value)
    return found
