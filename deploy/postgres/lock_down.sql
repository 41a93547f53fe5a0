-- Takes from every login what PostgreSQL gives to all of them, and no role of the pipeline needs. Run it as
-- a superuser, connected to the warehouse. Idempotent. docs/operations.md says what a managed server lacks.
do $$
declare
    name text;
begin
    -- Large objects fill the disk, and advisory locks hold up whoever uses the same number.
    for name in
        select oid::regprocedure from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace and (
            proname like 'lo\_%' or proname in ('loread', 'lowrite')
            or proname like 'pg\_advisory\_%' or proname like 'pg\_try\_advisory\_%'
        )
    loop
        execute format('revoke execute on function %s from public', name);
    end loop;
    for name in select datname from pg_database where datname <> 'template0'
    loop
        execute format('revoke connect, temporary on database %I from public', name);
    end loop;
end $$;
