-- A rejected record is unknown on its day, not absent. An empty object is a key that cannot be read.
-- Null has not been read yet: scripts.migrate does it, as it needs the declarations.
set local lock_timeout = '10s';

alter table ops.rejects add column record_key jsonb;
