"""A warehouse as an earlier release left it: loader and transformer own schemas and tables."""

import psycopg

from tests.conftest import Warehouse

_BEFORE = """
    drop table ops.day_locks, ops.dbt_lock, ops.publish_lock, ops.outcomes_lock;
    alter table migrations.alembic_version set schema ops;
    drop schema migrations;
    update ops.alembic_version set version_num = '0008';
    alter table ops.loads drop column day_kind cascade, drop column as_of cascade;
    do $$
    declare
        name text;
        kind text;
    begin
        for name, kind in
            select format('%I.%I', nspname, relname),
                case relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end
            from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
            where nspname in ('ops', 'raw') and relkind in ('r', 'v', 'S')
                and relname not in ('alembic_version', 'incidents_incident_id_seq')
        loop
            execute format('alter %s %s owner to loader', kind, name);
        end loop;
    end $$;
    alter schema ops owner to loader;
    alter schema raw owner to loader;
    alter schema staging owner to transformer;
    alter schema build owner to transformer;
    alter schema marts owner to transformer;
    grant usage on schema build to loader;
    alter default privileges for role transformer in schema build grant select on tables to loader;
"""


def give_to_lesser_roles(warehouse: Warehouse) -> None:
    """Undo revision 0009."""
    with psycopg.connect(warehouse.admin) as connection:
        connection.execute(_BEFORE)
