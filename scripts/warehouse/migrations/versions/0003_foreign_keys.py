"""Objects of no declared source that were reported (ops.unknown_objects since 0006)."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table. Delete a row to have its key reported once more."""
    op.execute("""
        set local role loader;
        create table ops.foreign_keys (
            key text primary key,
            told_at timestamptz not null default clock_timestamp()
        );
        reset role;
    """)
