"""The minimum cost of a small load. Invariant: same imports, both connections, and nothing else.

It reads the same environment variables as ``python -m scripts.load``.
"""

import os

import boto3

from benchmarks.objects import key
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.settings import deployment, warehouse_dsn_from_env
from scripts.warehouse.connection import connect

__all__ = ["load", "main"]  # load is imported but not used


def main() -> None:
    """Send one request to the store and one to the warehouse."""
    Store.of_session(boto3.Session(), deployment().bucket()).head(key())
    with connect(warehouse_dsn_from_env(os.environ)) as connection:
        connection.execute("select")


if __name__ == "__main__":
    main()
