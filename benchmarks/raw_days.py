"""Days of posts, comments and users, written to the raw tables and the ledger by SQL.

Invariant: all days of a warehouse have the same number of rows, in the order in which loads bring
them. A post keeps its last edit: after one day in ``edited_every`` its body has another number.
"""

from dataclasses import dataclass

import psycopg

from benchmarks.warehouse import Warehouse

USERS = 1000
_LEDGER = """
    insert into ops.loads (load_id, source, day, key, etag, last_modified, bytes, sha256, state,
        received, loaded, rejected, seconds, is_current)
    values (nextval('ops.load_id'), %(source)s, date '2023-12-31' + %(day)s, 'k', 'e', now(), 1,
        'ab', 'loaded', %(rows)s, %(rows)s, 0, 1, true)
"""
_ROWS = {
    "posts": """
        insert into raw.posts_rows
        select (select currval('ops.load_id')), n, n %% %(users)s + 1, n, 'title',
            repeat('some words of a body ', 10) ||
                greatest(%(day)s - (%(day)s + %(every)s - n %% %(every)s) %% %(every)s, 0)
        from generate_series(1, %(rows)s) as n
    """,
    "comments": """
        insert into raw.comments_rows
        select (select currval('ops.load_id')), n, n %% %(posts)s + 1, n, 'name',
            'name@example.com', repeat('some words of a body ', 10)
        from generate_series(1, %(rows)s) as n
    """,
    "users": """
        insert into raw.users_rows
        select (select currval('ops.load_id')), n, n, 'name', 'username', 'name@example.com',
            jsonb_build_object('city', 'city'), 'phone', 'example.com',
            jsonb_build_object('name', 'company')
        from generate_series(1, %(rows)s) as n
    """,
}


@dataclass(frozen=True)
class RawDays:
    """The days of one warehouse, by their number. Day 1 is the first."""

    warehouse: Warehouse
    posts: int
    comments: int
    edited_every: int

    def add(self, first: int, last: int) -> None:
        """Load the days from `first` to `last`."""
        sizes = {"posts": self.posts, "comments": self.comments, "users": USERS}
        values = {"posts": self.posts, "users": USERS, "every": self.edited_every}
        with psycopg.connect(self.warehouse.loader) as connection:
            for day in range(first, last + 1):
                for source, rows in sizes.items():
                    of_load = {**values, "source": source, "day": day, "rows": rows}
                    connection.execute(_LEDGER, of_load)
                    connection.execute(_ROWS[source], of_load)

    def settle(self) -> None:
        """Vacuum and analyze every table, as autovacuum does in the hours between two days."""
        with psycopg.connect(self.warehouse.server.dsn("warehouse"), autocommit=True) as connection:
            connection.execute("vacuum (analyze)")
        self.warehouse.settle()
