"""Roles, schemas, ledger and quarantine of the warehouse."""

from alembic import op

revision = "0001"
down_revision = None

_CREATE_ROLE = """
    do $$ begin
        if not exists (select from pg_roles where rolname = 'ROLE') then
            create role ROLE login;
        end if;
    end $$
"""


def upgrade() -> None:
    """Create roles without password (scripts.migrate sets them), schemas, tables and grants."""
    for role, connections, statement_timeout in (
        ("loader", 20, "30min"),
        ("transformer", 20, "30min"),
        ("reader", 20, "1min"),
    ):
        op.execute(_CREATE_ROLE.replace("ROLE", role))
        op.execute(f"alter role {role} connection limit {connections}")
        op.execute(f"alter role {role} set statement_timeout = '{statement_timeout}'")
        op.execute(f"alter role {role} set idle_in_transaction_session_timeout = '1min'")
        op.execute(f"alter role {role} set timezone = 'UTC'")
        op.execute(f"grant {role} to current_user with inherit true, set true")

    op.execute("""
        do $$ begin
            execute format('revoke all on database %I from public', current_database());
            execute format(
                'grant connect, temporary on database %I to loader, transformer', current_database()
            );
            execute format('grant connect on database %I to reader', current_database());
        end $$;
        revoke create on schema public from public;

        create schema if not exists raw authorization loader;
        alter schema ops owner to loader;
        create schema if not exists staging authorization transformer;
        create schema if not exists build authorization transformer;
        create schema if not exists marts authorization transformer;
    """)

    op.execute("""
        set local role loader;

        create sequence if not exists ops.load_id;  -- survives dropped tables

        -- One row per attempt whose outcome must be kept: loaded or parked.
        create table ops.loads (
            load_id bigint primary key,
            source text not null,
            day date not null,
            key text not null,
            etag text not null,
            last_modified timestamptz not null,
            bytes bigint not null,
            version_id text,
            sha256 text,
            state text not null check (state in ('loaded', 'parked')),
            reason text,
            received bigint not null,
            loaded bigint not null,
            rejected bigint not null,
            new_fields text[] not null default '{}',
            seconds double precision not null,
            run_id text,
            is_current boolean not null,
            loaded_at timestamptz not null default clock_timestamp(),
            published_at timestamptz,
            check (state = 'parked' or received = loaded + rejected),
            check (state = 'loaded' or (reason is not null and not is_current))
        );
        create unique index loads_one_current_a_day on ops.loads (source, day) where is_current;
        create index loads_by_key on ops.loads (key, load_id);
        create index loads_unpublished on ops.loads (load_id)
            where is_current and published_at is null;

        create table ops.rejects (
            load_id bigint not null references ops.loads on delete cascade,
            position bigint not null,
            byte_start bigint not null,
            byte_end bigint not null,
            field text,
            reason text not null,
            record bytea not null,
            record_bytes bigint not null,
            record_sha256 text not null,
            primary key (load_id, position)
        );

        grant usage on schema raw, ops to transformer;
        grant select on ops.loads, ops.rejects to transformer;
        grant update (published_at) on ops.loads to transformer;
        alter default privileges in schema raw grant select on tables to transformer;
        reset role;
    """)

    op.execute("""
        set local role transformer;
        grant usage on schema marts to reader;
        alter default privileges in schema marts grant select on tables to reader;
        -- build.pinned_loads (stg_loads until 0006): rows of these loads are read and must stay.
        grant usage on schema build to loader;
        alter default privileges in schema build grant select on tables to loader;
        reset role;
    """)
