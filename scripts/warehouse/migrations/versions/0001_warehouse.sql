-- Roles without a password: scripts.migrate sets the passwords.
do $$
declare
    role text;
    statement_timeout text;
begin
    for role, statement_timeout in
        values ('loader', '30min'), ('transformer', '30min'), ('reader', '1min')
    loop
        if not exists (select from pg_roles where rolname = role) then
            execute format('create role %I login', role);
        end if;
        execute format('alter role %I connection limit 20', role);
        execute format('alter role %I set statement_timeout = %L', role, statement_timeout);
        execute format(
            'alter role %I set idle_in_transaction_session_timeout = %L', role, '1min'
        );
        execute format('alter role %I set timezone = %L', role, 'UTC');
        execute format('grant %I to current_user with inherit true, set true', role);
    end loop;
end $$;

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

set local role transformer;
grant usage on schema marts to reader;
alter default privileges in schema marts grant select on tables to reader;
-- build.pinned_loads (stg_loads until 0006): rows of these loads are read and must stay.
grant usage on schema build to loader;
alter default privileges in schema build grant select on tables to loader;
reset role;
