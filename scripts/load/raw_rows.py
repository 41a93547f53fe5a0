"""The rows of every load of a source. Invariant: nobody reads a load that is not in the ledger.

The setting PIPELINE_WAREHOUSE chooses where they are: in PostgreSQL, or in a Delta table.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Protocol

from psycopg import Connection

from scripts.load.delta_rows import DeltaRows
from scripts.load.postgres_rows import PostgresRows
from scripts.load.row_count import CheckedBatches, RowCount
from scripts.load.row_search import Key, References
from scripts.settings import deployment
from sources import Source


class RawRows(Protocol):
    """The rows of one source. Each method may raise UnavailableError and ConfigurationError."""

    def check(self) -> None:
        """Raise ConfigurationError if the table does not fit. It stays until the transaction ends.

        The error names the command that helps.
        """

    def ensure(self) -> None:
        """Create the table, or adapt it to a changed contract. The connection is of the owner.

        Raises ConfigurationError if the rows that are there do not fit into the changed columns.
        """

    def recreate(self) -> None:
        """Replace the table by an empty one, and let every object be pending. As the owner."""

    def append(self, load_id: int, batches: CheckedBatches) -> RowCount:
        """Store the rows of a new load: all of them, or none."""

    def count_duplicates(self, load_id: int) -> int:
        """Return how many rows of a load are surplus because their key occurs twice."""

    def first_duplicates(self, load_id: int) -> dict[int, bool]:
        """Return some positions of surplus rows, and whether their records were equal."""

    def delete_duplicates(self, load_id: int) -> dict[int, bool]:
        """Delete the surplus rows. Return their positions, and whether their records were equal.

        Of equal records all but the first are surplus, of others all. A source whose
        `on_duplicate` is ``last`` keeps the last record of each key instead.
        """

    def delete_unread(self, pinned: Sequence[int]) -> int:
        """Delete the loads that are neither current nor pinned. Return the number of rows."""

    def keys_of(self, references: References) -> set[Key]:
        """Return the keys of the rows, in any load, whose record refers to one of these values."""

    def loads_to_mark(self, keys: Collection[Key], references: References) -> list[int]:
        """Return the loads that `erase` changes before its transaction has ended.

        Mark them as ``erased`` in the ledger, and commit that, before `erase` is called. This
        searches all rows, so no transaction should be open.
        """

    def erase(self, keys: Collection[Key], references: References) -> Counter[int]:
        """Delete the rows of these records in every load. Return how many each load has lost."""

    def delete(self, load_ids: Collection[int]) -> int:
        """Delete loads that leave the ledger in the same transaction. Return the number of rows."""

    def count(self, load_ids: Collection[int]) -> dict[int, int]:
        """Return the number of rows of each of these loads."""

    def purge(self) -> None:
        """Remove what files still have of deleted rows, after the transaction. Waits for loads."""


def raw_rows(connection: Connection, source: Source) -> RawRows:
    """Return the rows of a source, with a connection to the ledger as role loader."""
    settings = deployment()
    if settings.warehouse == "delta":
        return DeltaRows(connection, source, settings.lakehouse())
    return PostgresRows(connection, source)
