-- Roles, schemas, and who owns them. Runs before the revisions, each time.
-- Roles have no password here: scripts.migrate sets the passwords.
set local lock_timeout = '10s';

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
        -- The locks of a client whose machine is gone are released after a minute, not after two hours.
        execute format('alter role %I set tcp_keepalives_idle = %L', role, '30s');
        execute format('alter role %I set tcp_keepalives_interval = %L', role, '10s');
        execute format('alter role %I set tcp_keepalives_count = 3', role);
        execute format('alter role %I set timezone = %L', role, 'UTC');
        -- PostgreSQL's default, 4, is that of a disk with a moving arm. With it, a day of three or less
        -- is read by reading all days.
        execute format('alter role %I set random_page_cost = 1.1', role);
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

create schema if not exists migrations;
create schema if not exists ops;
create schema if not exists raw;
create schema if not exists staging;
create schema if not exists build;
create schema if not exists marts;
