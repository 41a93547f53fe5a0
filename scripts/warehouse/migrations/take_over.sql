-- In an earlier release, loader and transformer owned schemas, tables and views. Idempotent.
-- Views are dropped: the revisions and scripts.migrate create them again.
do $$
declare
    schema text;
    name text;
    kind text;
begin
    for schema in
        select nspname from pg_namespace
        where nspname in ('ops', 'raw', 'staging', 'build', 'marts')
            and nspowner in ('loader'::regrole, 'transformer'::regrole)
    loop
        execute format('alter schema %I owner to current_user', schema);
    end loop;
    for schema, name, kind in
        select nspname, relname,
            case relkind
                when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
                else 'table'
            end
        from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
        where nspname in ('ops', 'raw') and relkind in ('r', 'p', 'v', 'm', 'S')
            and relowner in ('loader'::regrole, 'transformer'::regrole)
            and not exists (  -- the sequence of a column follows its table
                select from pg_depend
                where classid = 'pg_class'::regclass and objid = pg_class.oid
                    and deptype in ('a', 'i') and relkind = 'S'
            )
    loop
        if kind like '%view' then
            execute format('drop %s if exists %I.%I cascade', kind, schema, name);
        else
            execute format('alter %s %I.%I owner to current_user', kind, schema, name);
        end if;
    end loop;
    if to_regclass('ops.alembic_version') is not null then
        alter table ops.alembic_version set schema migrations;
    elsif to_regclass('ops.loads') is null then  -- somebody dropped it: all revisions again
        drop table if exists migrations.alembic_version;
    end if;
    -- Not each time: dbt may be replacing these tables, and a right of a dropped one is an error.
    if has_schema_privilege('loader', 'build', 'usage') then
        alter default privileges for role transformer in schema build
            revoke select on tables from loader;
        revoke all on schema build from loader;
    end if;
end $$;

grant usage on schema raw, ops to loader, transformer;
grant usage on schema ops, marts to reader;
grant usage, create on schema staging, build, marts to transformer;
alter default privileges for role transformer in schema marts grant select on tables to reader;
