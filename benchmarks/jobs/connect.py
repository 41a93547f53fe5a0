"""What a small load cannot go below. Invariant: same imports, both doors opened, and nothing else.

It reads the same environment as ``python -m scripts.load``.
"""

import os

import boto3

from benchmarks.objects import key
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.settings import deployment, warehouse_dsn_from_env
from scripts.warehouse.connection import connect

__all__ = ["load", "main"]  # load: imported, and not used


def main() -> None:
    """Ask the store and the warehouse one question each."""
    Store.of_session(boto3.Session(), deployment().bucket()).head(key())
    with connect(warehouse_dsn_from_env(os.environ)) as connection:
        connection.execute("select")


if __name__ == "__main__":
    main()
