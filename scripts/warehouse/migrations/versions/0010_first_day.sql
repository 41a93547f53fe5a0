-- `first_day` was the oldest day of a source. If its first run was for an older day, every day in between was
-- called late. A rebuild does not move it: an object keeps the time of its put.
create or replace view ops.v_health_sources as
select source,
    greatest(
        min(day), (min(least(last_modified, loaded_at)) at time zone 'UTC')::date
    ) as first_day,
    max(loaded_at) filter (where state = 'loaded') as loaded_at,
    max(published_at) as published_at,
    max(day) filter (where is_current and published_at is not null) as published_day,
    count(*) filter (where is_current and published_at is null) as waiting,
    min(day) filter (where is_current and published_at is null) as waiting_from,
    max(day) filter (where is_current and published_at is null) as waiting_to,
    min(loaded_at) filter (where is_current and published_at is null) as waiting_since
from ops.loads
group by source;
