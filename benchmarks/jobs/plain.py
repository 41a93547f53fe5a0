"""The floor: a plain script from an object to built and tested models. Invariant: no project code.

One GET, one COPY, the ledger row that the models read, and dbt as a process. The peers use the same
two functions around their own dbt. Arguments: `bucket`, `key`, `dsn` and `dbt`, the command line of
the build.
"""

import json
import subprocess
import sys

import boto3
import psycopg
from psycopg.types.json import Jsonb

_FIELDS = {"posts": ("userId", "id", "title", "body"), "earthquakes": ("id", "properties")}
_KINDS = {"posts": "snapshot", "earthquakes": "window"}
_COPIES = {
    "posts": "copy raw.posts_rows (load_id, position, user_id, id, title, body) from stdin",
    "earthquakes": "copy raw.earthquakes_rows (load_id, position, id, properties) from stdin",
}
_LEDGER = """
    insert into ops.loads (
        load_id, source, day, key, etag, last_modified, bytes, sha256, state, received, loaded,
        rejected, seconds, is_current, day_kind
    ) values (
        nextval('ops.load_id'), %s, %s, %s, '', now(), %s, '', 'loaded', %s, %s, 0, 0, true, %s
    ) returning load_id
"""


def load(bucket: str, key: str, dsn: str) -> None:
    """Copy the records of an object, ``raw/<source>/<day>.json``, into the table of all loads."""
    body = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    records = json.loads(body)
    _, source, name = key.split("/")
    day, count, fields = name.removesuffix(".json"), len(records), _FIELDS[source]
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        facts = (source, day, key, len(body), count, count, _KINDS[source])
        made = cursor.execute(_LEDGER, facts).fetchone()
        (load_id,) = made or (0,)
        with cursor.copy(_COPIES[source]) as copy:
            for position, record in enumerate(records):
                values = (record.get(field) for field in fields)
                shown = (Jsonb(value) if isinstance(value, dict) else value for value in values)
                copy.write_row((load_id, position, *shown))


def publish(dsn: str) -> None:
    """Mark the loads in the ledger as published."""
    with psycopg.connect(dsn) as connection:
        connection.execute("update ops.loads set published_at = now() where published_at is null")


def main(bucket: str, key: str, dsn: str, dbt: list[str]) -> None:
    """Load one object, build the models and mark the load as published."""
    load(bucket, key, dsn)
    subprocess.run(dbt, check=True)
    publish(dsn)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
