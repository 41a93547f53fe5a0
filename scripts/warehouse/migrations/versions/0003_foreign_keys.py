"""Foreign keys: what lies in the landing zone, belongs to no source, and has been told of."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table; deleting a row has its key told of once more."""
    op.execute("""
        set local role loader;
        create table ops.foreign_keys (
            key text primary key,
            told_at timestamptz not null default clock_timestamp()
        );
        reset role;
    """)
