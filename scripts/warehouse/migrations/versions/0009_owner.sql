-- The owner owns every table and view of ops and raw. The other roles have the grants of their duty.
set local lock_timeout = '10s';

-- What is locked here needs a right, unlike an advisory lock. The first three stay empty.
create table ops.dbt_lock ();
create table ops.publish_lock ();
create table ops.outcomes_lock ();
create table ops.day_locks (
    source text not null,
    day date not null,
    primary key (source, day)
);

-- The health page's views read with their owner's rights: reader needs none on the tables.
-- A refreshed listing has the time of the latest put of the same content.
create view ops.v_health_loads as
select load_id, source, day, state, is_current, received, loaded, rejected, seconds, run_id,
    least(last_modified, loaded_at) as landed_at, loaded_at, published_at
from ops.loads;

create view ops.v_health_sources as
select source,
    min(day) as first_day,
    max(loaded_at) filter (where state = 'loaded') as loaded_at,
    max(published_at) as published_at,
    max(day) filter (where is_current and published_at is not null) as published_day,
    count(*) filter (where is_current and published_at is null) as waiting,
    min(day) filter (where is_current and published_at is null) as waiting_from,
    max(day) filter (where is_current and published_at is null) as waiting_to,
    min(loaded_at) filter (where is_current and published_at is null) as waiting_since
from ops.loads
group by source;

-- Parked, and no load of the same key was tried since.
create view ops.v_health_parked as
select source, day, reason, run_id, loaded_at as parked_at from ops.loads as parked
where state = 'parked' and not exists (
    select from ops.loads as newer
    where newer.key = parked.key and newer.load_id > parked.load_id
);

create view ops.v_health_incidents as
select incident_id, kind, subject, day, details::text as details, opened_at, seen,
    (
        select until_at from ops.silences
        where silences.fingerprint = incidents.fingerprint
            and until_at > clock_timestamp()
    ) as silent_until
from ops.incidents
where closed_at is null;

-- Messages that a channel has not accepted yet. They are retried.
create view ops.v_health_deliveries as
select channel, count(*) as messages, max(attempts) as attempts
from ops.deliveries
where sent_at is null
group by channel;

grant select on ops.v_health_loads, ops.v_health_sources, ops.v_health_parked,
    ops.v_health_incidents, ops.v_health_deliveries to loader, reader;

grant usage on sequence ops.load_id to loader;
grant select, insert, update, delete
    on ops.loads, ops.rejects, ops.incidents, ops.deliveries, ops.silences, ops.unknown_objects,
    ops.day_locks to loader;
grant insert on ops.dbt_lock to loader;
grant select on ops.loads, ops.rejects to transformer;
grant update (published_at) on ops.loads to transformer;
grant insert, delete on ops.dbt_lock, ops.publish_lock, ops.outcomes_lock to transformer;

-- Erasure removes deleted values from statistics and dead rows.
grant maintain on ops.loads, ops.rejects, ops.incidents, ops.deliveries to loader;
