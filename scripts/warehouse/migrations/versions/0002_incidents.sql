-- Create the table. A fingerprint is one cause and is open at most once.
create table ops.incidents (
    incident_id bigint generated always as identity primary key,
    fingerprint text not null,
    opened_at timestamptz not null default clock_timestamp(),
    last_seen_at timestamptz not null default clock_timestamp(),
    seen bigint not null default 1,
    closed_at timestamptz
);
create unique index incidents_one_open_a_cause on ops.incidents (fingerprint)
    where closed_at is null;
