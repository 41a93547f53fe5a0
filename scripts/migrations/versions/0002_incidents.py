"""Incidents: what has been told."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table; a fingerprint is one cause."""
    op.execute("""
        set local role loader;
        create table ops.incidents (
            incident_id bigint generated always as identity primary key,
            fingerprint text not null unique,
            opened_at timestamptz not null default clock_timestamp(),
            last_seen_at timestamptz not null default clock_timestamp(),
            seen bigint not null default 1
        );
        reset role;
    """)
