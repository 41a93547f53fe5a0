-- Add the content of incidents, their deliveries (an outbox) and silences.
alter table ops.incidents
    add column kind text not null default 'run-failed',
    add column subject text not null default '',
    add column day date,
    add column details json not null default '{}';
alter table ops.incidents
    alter column kind drop default,
    alter column subject drop default,
    alter column details drop default;

-- Outbox: one row per message to a channel that an incident was opened or recovered.
create table ops.deliveries (
    incident_id bigint not null references ops.incidents on delete cascade,
    channel text not null,
    phase text not null check (phase in ('opened', 'recovered')),
    attempts integer not null default 0,
    next_try_at timestamptz not null default clock_timestamp(),
    last_error text,
    sent_at timestamptz,
    primary key (incident_id, channel, phase)
);
create index deliveries_owed on ops.deliveries (channel, next_try_at)
    where sent_at is null;
create index deliveries_sent on ops.deliveries (channel, sent_at);

create table ops.silences (
    fingerprint text primary key,
    until_at timestamptz not null,
    ticket text not null,
    created_at timestamptz not null default clock_timestamp()
);
