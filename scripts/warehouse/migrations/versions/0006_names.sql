-- Rename tables that exist. A renamed mart stays readable under its old name, as a view.
set local lock_timeout = '10s';  -- rather fail than let readers queue behind the renames

alter table ops.foreign_keys rename to unknown_objects;
alter table ops.unknown_objects rename column told_at to reported_at;
alter index ops.foreign_keys_pkey rename to unknown_objects_pkey;

set local role transformer;
do $$ begin
    if to_regclass('marts.fct_daily_volume') is not null then
        alter table marts.fct_daily_volume rename to fct_daily_loads;
        alter index marts.fct_daily_volume_pkey rename to fct_daily_loads_pkey;
        create view marts.fct_daily_volume as select * from marts.fct_daily_loads;
    end if;
end $$;
-- The next dbt build creates what it needs under the new names.
drop table if exists build.fct_daily_volume;
drop table if exists build.stg_loads cascade;
reset role;
