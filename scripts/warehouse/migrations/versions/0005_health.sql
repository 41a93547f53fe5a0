-- Create the indexes for the health page. Its views are in 0009.
create index loads_by_day on ops.loads (day);
create index loads_parked on ops.loads (key, load_id) where state = 'parked';
