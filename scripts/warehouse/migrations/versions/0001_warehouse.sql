create sequence if not exists ops.load_id;  -- survives dropped tables

-- One row per attempt whose outcome must be kept: loaded or parked.
create table ops.loads (
    load_id bigint primary key,
    source text not null,
    day date not null,
    key text not null,
    etag text not null,
    last_modified timestamptz not null,
    bytes bigint not null,
    version_id text,
    sha256 text,
    state text not null check (state in ('loaded', 'parked')),
    reason text,
    received bigint not null,
    loaded bigint not null,
    rejected bigint not null,
    new_fields text[] not null default '{}',
    seconds double precision not null,
    run_id text,
    is_current boolean not null,
    loaded_at timestamptz not null default clock_timestamp(),
    published_at timestamptz,
    check (state = 'parked' or received = loaded + rejected),
    check (state = 'loaded' or (reason is not null and not is_current))
);
create unique index loads_one_current_a_day on ops.loads (source, day) where is_current;
create index loads_by_key on ops.loads (key, load_id);
create index loads_unpublished on ops.loads (load_id)
    where is_current and published_at is null;

create table ops.rejects (
    load_id bigint not null references ops.loads on delete cascade,
    position bigint not null,
    byte_start bigint not null,
    byte_end bigint not null,
    field text,
    reason text not null,
    record bytea not null,
    record_bytes bigint not null,
    record_sha256 text not null,
    primary key (load_id, position)
);
