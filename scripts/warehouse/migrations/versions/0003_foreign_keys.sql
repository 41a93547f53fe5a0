-- Create the table. Delete a row to have its key reported once more.
create table ops.foreign_keys (
    key text primary key,
    told_at timestamptz not null default clock_timestamp()
);
