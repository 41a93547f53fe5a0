-- A channel that asks for a pause gets it for every message, not only for the one that it refused.
set local lock_timeout = '10s';

alter table ops.deliveries add column channel_paused_until timestamptz;

-- A day that no run accepts any more is withdrawn. Its object is reported as unknown.
update ops.loads set is_current = false
where is_current and day not between '1970-01-01' and current_date + 1;

-- The old name of a mart no longer depends on columns that the mart loses.
set local role transformer;
do $$ begin
    if to_regclass('marts.fct_daily_volume') is not null then
        drop view marts.fct_daily_volume;
        create view marts.fct_daily_volume as
            select source, day, received, loaded, rejected, z_score from marts.fct_daily_loads;
    end if;
end $$;
reset role;
