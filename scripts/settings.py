"""Every setting. Invariant: no other module reads os.environ.

There are two kinds, by when they are read:

* `Deployment`: from the environment, when a DAG file is parsed or a command starts.
* `RunSettings`: for one run, the defaults with the JSON Variable ``pipeline`` applied. Commands
  read it from the environment variable ``AIRFLOW_VAR_PIPELINE``, where Airflow finds it too.

Airflow's Connections become `Endpoint` values or DSNs. Commands read them from the same
``AIRFLOW_CONN_*`` variables as Airflow, or from plain names such as ``WAREHOUSE_DSN``.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from scripts.errors import ConfigurationError
from sources.declaration import Api


class Deployment(BaseSettings):
    """Settings of DAGs and places, from the environment only: parsing needs no database."""

    model_config = SettingsConfigDict(env_prefix="PIPELINE_", extra="ignore", frozen=True)

    environment: str = "local"  # name of this installation, shown in alerts
    owner: str = "data-team"  # owner of the DAGs, shown in Airflow and alerts
    ingest_schedule: str = "@daily"  # cron expression of every ingest DAG
    watch_schedule: str = "*/5 * * * *"  # cron expression of watch_pipeline
    landing_queue_url: str = ""  # SQS queue of the bucket's notifications. Empty: do not listen
    queue_wait_seconds: int = Field(default=20, ge=1, le=20)  # how long one request waits there
    landing_bucket: str = Field(default="", validation_alias="LANDING_BUCKET")
    warehouse: Literal["postgres", "delta"] = "postgres"  # where the rows of loads are
    # Where the Delta tables are: s3://bucket/prefix or a local folder.
    lakehouse_root: str = ""
    # The engine that builds the marts there, sc://host:port, and the interpreter of an environment
    # with requirements/tools/spark.txt. A build that takes longer ends, because Spark Connect waits
    # without end for a server that is gone.
    spark_remote: str = ""
    lakehouse_python: str = ""
    lakehouse_timeout_seconds: int = Field(default=1500, ge=1)
    dbt_single_task: bool = False  # build, test and publish in one task, not one task per model
    allow_private_api: bool = False  # whether the API may have a private or loopback address
    ingest_aws_conn_id: str = "aws_default"  # for ingest, which writes. Loads use aws_default
    alert_email: str = ""  # recipients, separated by commas. Empty: send no mail
    # Whom Slack notifies: <@U...>, <!subteam^S...> or <!here>. Empty: no mention.
    alert_mention: str = Field(default="", pattern=r"^(<[@!][A-Za-z0-9^|._-]+>)?$")
    # URL of the run book, without an anchor. Empty: an alert contains its section of the run book.
    runbook_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    # Dead man's switch that watch_pipeline pings, as healthchecks.io provides it.
    heartbeat_url: str = Field(default="", validation_alias="HEARTBEAT_URL", repr=False)
    retry_delay_seconds: float = Field(default=30, gt=0)  # before the first retry of a task
    task_retries: int = Field(default=3, ge=0)  # after transient failures

    def alert_addresses(self) -> list[str]:
        """Return the recipients of alerts. Without any, no mail is sent."""
        return [a.strip() for a in self.alert_email.split(",") if a.strip()]

    def bucket(self) -> str:
        """Return the landing bucket. Raises ConfigurationError if it is not set."""
        if not self.landing_bucket:
            raise ConfigurationError("LANDING_BUCKET is not set: name the landing zone's bucket")
        return self.landing_bucket

    def lakehouse(self) -> str:
        """Return the root of the Delta tables. Raises ConfigurationError if it is not set."""
        if not self.lakehouse_root:
            raise ConfigurationError(
                "PIPELINE_LAKEHOUSE_ROOT is not set: PIPELINE_WAREHOUSE=delta needs the place of "
                "the Delta tables, such as s3://bucket/lakehouse"
            )
        return self.lakehouse_root.rstrip("/")

    def engine(self) -> "Engine":
        """Return the engine of the lakehouse. Raises ConfigurationError that names the setting."""
        if not self.spark_remote.startswith("sc://"):
            raise ConfigurationError(
                "PIPELINE_SPARK_REMOTE is not sc://host:port: PIPELINE_WAREHOUSE=delta needs an "
                "engine that is reached through Spark Connect"
            )
        if not os.access(self.lakehouse_python, os.X_OK):
            raise ConfigurationError(
                f"PIPELINE_LAKEHOUSE_PYTHON={self.lakehouse_python} is not a program: name the "
                "Python of an environment with requirements/tools/spark.txt"
            )
        return Engine(
            self.lakehouse(),
            self.spark_remote,
            self.lakehouse_python,
            self.lakehouse_timeout_seconds,
        )


@dataclass(frozen=True)
class Engine:
    """What builds the marts of a lakehouse: the root of its tables, and how to reach it."""

    root: str
    remote: str
    python: str
    timeout_seconds: int


class RunSettings(BaseModel):
    """Settings of one run: times in seconds, sizes in bytes, shares from 0 to 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connect_timeout: float = Field(default=5, gt=0)
    read_timeout: float = Field(default=30, gt=0)
    total_timeout: float = Field(default=600, gt=0)
    http_retries: int = Field(default=4, ge=0)
    http_backoff: float = Field(default=1.0, ge=0)
    max_pages: int = Field(default=10_000, ge=1)
    max_bytes: int = Field(default=2 * 1024**3, ge=1)
    max_record_bytes: int = Field(default=16 * 1024**2, ge=1)
    max_object_bytes: int = Field(default=4 * 1024**3, ge=1)
    load_timeout: float = Field(default=1200, gt=0)
    max_reject_share: float = Field(default=0.1, ge=0, le=1)
    max_reject_count: int = Field(default=10_000, ge=0)
    lookback_days: int = Field(default=3650, ge=1)
    late_days: int = Field(default=7, ge=1)
    landing_deadline_hours: float = Field(default=6, ge=0)
    landing_wait_minutes: float = Field(default=15, gt=0, le=120)
    unpublished_minutes: float = Field(default=60, ge=0)
    marts_stale_hours: float = Field(default=36, gt=0)
    reject_warning_share: float = Field(default=0.01, ge=0, le=1)
    volume_z_score: float = Field(default=3, gt=0)
    batch_objects: int = Field(default=100, ge=1)
    retention_days: int = Field(default=30, ge=0)

    @classmethod
    def parse_text(cls, text: str | None) -> Self:
        """Apply a JSON object to the defaults. No text changes nothing."""
        return cls.parse(_json_object("Variable pipeline", {"Variable pipeline": text or ""}))

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Apply `values` to the defaults. Raises ConfigurationError that names each wrong one."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            wrong = "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors())
            raise ConfigurationError(f"pipeline settings: {wrong}") from None


@dataclass(frozen=True)
class Endpoint:
    """An HTTP API: base URL without credentials, and the headers and secrets of its connection."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    login: tuple[str, str] | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)  # the password, without a login too
    refresh_token: str | None = field(default=None, repr=False)
    # From the environment: a user who may edit the connection must not disable the guard.
    is_private_allowed: bool = field(default_factory=lambda: deployment().allow_private_api)


def deployment() -> Deployment:
    """Read the deployment settings. Raises ConfigurationError that names each wrong variable."""
    try:
        return Deployment()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"environment: {wrong}") from None


def run_settings_from_env(environ: Mapping[str, str] = os.environ) -> RunSettings:
    """Apply AIRFLOW_VAR_PIPELINE (a JSON object, may be absent) to the defaults."""
    if environ.get("PIPELINE_RUN_SETTINGS"):
        raise ConfigurationError("PIPELINE_RUN_SETTINGS has a new name: set AIRFLOW_VAR_PIPELINE")
    return RunSettings.parse(_json_object("AIRFLOW_VAR_PIPELINE", environ))


class AirflowConnection(Protocol):
    """The parts of an Airflow connection that we use. Airflow's class has all of them."""

    host: str | None
    port: int | None
    schema: str | None
    login: str | None
    password: str | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The connection's extra options."""


class EnvConnection(msgspec.Struct):
    """A connection in the JSON form of Airflow's environment variables."""

    host: str | None = None
    port: int | None = None
    schema: str | None = None
    login: str | None = None
    password: str | None = None
    extra_dejson: dict[str, Any] = msgspec.field(name="extra", default_factory=dict)


def api_from_env(api: Api, environ: Mapping[str, str] = os.environ) -> Endpoint:
    """Return where an API is, and its secrets from AIRFLOW_CONN_<NAME>_API.

    The address is <NAME>_API_URL, else that of the connection, else the declared one.
    """
    found = optional_connection_from_env(api.connection, environ) or EnvConnection()
    if url := environ.get(f"{api.connection.upper()}_URL"):
        found = EnvConnection(
            host=url, login=found.login, password=found.password, extra_dejson=found.extra_dejson
        )
    return api_of(found, api.connection, api.base_url)


def api_of(connection: AirflowConnection, name: str, base_url: str = "") -> Endpoint:
    """Build the endpoint of an http connection. Without a host it is at `base_url`.

    Its extra may have ``headers`` and a ``refresh_token``.
    """
    host, schema = connection.host, connection.schema or "https"
    if not host and not base_url:
        raise ConfigurationError(
            f"no address: set {name.upper()}_URL, or the host of connection {name}, or base_url"
        )
    url = (host if "://" in host else f"{schema}://{host}") if host else base_url
    if host and connection.port:
        place, slash, path = url.partition("://")[2].partition("/")
        url = f"{url.partition('://')[0]}://{place}:{connection.port}{slash}{path}"
    given = connection.extra_dejson.get("headers") or {}
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"connection {name}: headers in its extra are not a JSON object")
    headers = {str(name): str(value) for name, value in given.items()}
    login = (connection.login, connection.password or "") if connection.login else None
    refresh_token = str(connection.extra_dejson.get("refresh_token") or "") or None
    return Endpoint(url, headers, login, connection.password or None, refresh_token)


def warehouse_dsn_from_env(environ: Mapping[str, str] = os.environ) -> str:
    """Return WAREHOUSE_DSN, else the DSN of AIRFLOW_CONN_WAREHOUSE. Role loader."""
    if dsn := environ.get("WAREHOUSE_DSN"):
        return _checked_dsn("WAREHOUSE_DSN", dsn)
    return dsn_of(_connection("WAREHOUSE", environ, instead="WAREHOUSE_DSN"))


def transformer_dsn_from_env(environ: Mapping[str, str] = os.environ) -> str:
    """Return the DSN of DBT_HOST and related variables, else of AIRFLOW_CONN_DBT_POSTGRES_CONN.

    The variables and their defaults are those of ``dbt/profiles.yml``. Role transformer.
    """
    from psycopg.conninfo import make_conninfo

    if not environ.get("DBT_HOST"):
        return dsn_of(_connection("DBT_POSTGRES_CONN", environ, instead="DBT_HOST"))
    return make_conninfo(
        "",
        host=environ["DBT_HOST"],
        port=environ.get("DBT_PORT", "5432"),
        user=environ.get("DBT_USER", "transformer"),
        password=environ.get("DBT_PASSWORD") or None,
        dbname=environ.get("DBT_DBNAME", "warehouse"),
    )


def dbt_environment(dsn: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment in which ``dbt/profiles.yml`` connects to the warehouse of a DSN."""
    from psycopg.conninfo import conninfo_to_dict

    parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    names = {"host", "port", "user", "password", "dbname"} & parts.keys()
    return {
        **environ,
        **{f"DBT_{name.upper()}": parts[name] for name in names},
        **_tls_environment(dsn),
        "PGCLIENTENCODING": "UTF8",
        "PYTHON_DOTENV_DISABLED": "1",  # dbt would add the settings of the nearest .env
    }


def engine_environment(dsn: str, engine: Engine) -> dict[str, str]:
    """Return the environment in which dbt-spark reaches the engine, and its process the ledger."""
    ours = {"SPARK_REMOTE": engine.remote, "PIPELINE_LAKEHOUSE_ROOT": engine.root, "TZ": "UTC"}
    # The packages of this interpreter are not those of the other one.
    return {n: v for n, v in dbt_environment(dsn).items() if n != "PYTHONPATH"} | ours


def enter_tls_environment(dsn: str) -> None:
    """Put the ``ssl*`` options of a DSN into this process's environment, for libpq."""
    os.environ.update(_tls_environment(dsn))


def _tls_environment(dsn: str) -> dict[str, str]:
    from psycopg.conninfo import conninfo_to_dict

    options = {name: str(v) for name, v in conninfo_to_dict(dsn).items() if name[:3] == "ssl"}
    return {f"PG{name.upper()}": value for name, value in options.items()}


def enter_dbt_environment(dsn: str) -> None:
    """Change this process's environment to that of `dbt_environment`."""
    os.environ.update(dbt_environment(dsn))


def enter_dbt_settings(settings: RunSettings) -> None:
    """Put the run settings that the dbt project reads into this process's environment."""
    os.environ["PIPELINE_VOLUME_Z_SCORE"] = str(settings.volume_z_score)


def enter_run_settings(settings: RunSettings) -> None:
    """Put run settings into this process's environment, where the commands that it starts look."""
    os.environ["AIRFLOW_VAR_PIPELINE"] = settings.model_dump_json()


def dsn_of(connection: AirflowConnection) -> str:
    """Compose the libpq DSN of a postgres connection, with the ``ssl*`` options of its extra."""
    import psycopg
    from psycopg.conninfo import make_conninfo

    options = {k: v for k, v in connection.extra_dejson.items() if k.startswith("ssl")}
    try:
        return make_conninfo(
            "",
            host=connection.host,
            port=connection.port,
            dbname=connection.schema,
            user=connection.login,
            password=connection.password,
            **options,
        )
    except psycopg.ProgrammingError:
        raise ConfigurationError(
            f"a postgres connection: libpq does not know all of {', '.join(options)} in its extra"
        ) from None


def admin_dsn_from_env(environ: Mapping[str, str] = os.environ) -> str:
    """Return PIPELINE_WAREHOUSE_ADMIN_DSN, the owner of the database, used by migrations only."""
    if dsn := environ.get("PIPELINE_WAREHOUSE_ADMIN_DSN"):
        return _checked_dsn("PIPELINE_WAREHOUSE_ADMIN_DSN", dsn)
    raise ConfigurationError("set PIPELINE_WAREHOUSE_ADMIN_DSN to the DSN of the database owner")


def _checked_dsn(name: str, dsn: str) -> str:
    """Return a DSN that libpq reads as it was meant. Its own errors repeat the password."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        parts = {"host": "@"}
    ports = str(parts.get("port", "0")).split(",")
    if "@" in str(parts.get("host", "")) or not all(port.isdecimal() for port in ports):
        raise ConfigurationError(
            f"{name} is not a DSN such as postgresql://loader:...@host:5432/warehouse. In a "
            "password write @ as %40, / as %2F, % as %25 and a space as %20"
        )
    return dsn


def has_admin_dsn(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether PIPELINE_WAREHOUSE_ADMIN_DSN is set."""
    return bool(environ.get("PIPELINE_WAREHOUSE_ADMIN_DSN"))


def role_passwords_from_env(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the passwords given as PIPELINE_<ROLE>_PASSWORD, by role name."""
    roles = ("loader", "transformer", "reader")
    names = {role: f"PIPELINE_{role.upper()}_PASSWORD" for role in roles}
    return {role: environ[name] for role, name in names.items() if environ.get(name)}


def optional_connection_from_env(
    conn_id: str, environ: Mapping[str, str] = os.environ
) -> EnvConnection | None:
    """Read AIRFLOW_CONN_<CONN_ID>, or return None. Raises ConfigurationError if it is wrong."""
    name = f"AIRFLOW_CONN_{conn_id.upper()}"
    if not environ.get(name):
        return None
    parts = _json_object(name, environ)
    if isinstance(parts.get("extra"), str):  # Airflow takes both forms
        parts["extra"] = _json_object("extra", parts, shown=name)
    try:
        return msgspec.convert(parts, EnvConnection, strict=False)
    except msgspec.ValidationError as error:  # contains types and places, never a value
        raise ConfigurationError(f"{name}: {error}") from None


def ca_bundle_from_env(environ: Mapping[str, str] = os.environ) -> str:
    """Return the file of trusted certificates that requests reads, or an empty text."""
    return environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE") or ""


def whole_environment() -> Mapping[str, str]:
    """Return this process's environment, for the code that must know every secret in it."""
    return os.environ


def _connection(conn_id: str, environ: Mapping[str, str], *, instead: str) -> EnvConnection:
    found = optional_connection_from_env(conn_id, environ)
    if found is None:
        raise ConfigurationError(f"set {instead}, or AIRFLOW_CONN_{conn_id} as a JSON connection")
    return found


def _json_object(name: str, texts: Mapping[str, str], shown: str = "") -> dict[str, Any]:
    try:
        return msgspec.json.decode(texts.get(name) or "{}", type=dict[str, Any])
    except msgspec.MsgspecError:  # the text may contain a password: do not repeat it
        where = f"{name} of {shown}" if shown else name
        raise ConfigurationError(f"{where} is not a JSON object") from None
