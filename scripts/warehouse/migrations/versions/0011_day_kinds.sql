-- What a day is, as the source declared it when it was loaded: the models read each kind differently.
-- `as_of` is when the API was asked, where the object does not tell how things were on its day.
set local lock_timeout = '10s';

alter table ops.loads
    add column day_kind text not null default 'snapshot'
        check (day_kind in ('snapshot', 'window', 'changes')),
    add column as_of timestamptz;

create or replace view ops.v_health_loads as
select load_id, source, day, state, is_current, received, loaded, rejected, seconds, run_id,
    least(last_modified, loaded_at) as landed_at, loaded_at, published_at, day_kind, as_of
from ops.loads;
