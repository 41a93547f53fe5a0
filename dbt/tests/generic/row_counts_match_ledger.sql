{#
    Rows loaded according to the ledger = rows in raw = rows in staging, per day. In staging a day
    also has the rows that it carries. Returns each unpublished load of the source for which the
    counts differ.
#}
{% test row_counts_match_ledger(model, source_name) %}

with pinned_loads as (
    select * from {{ ref("pinned_loads") }}
),

carried_rows as (
    select * from {{ ref("carried_rows") }}
    where position is not null
),

raw_rows as (
    select * from {{ source("raw", source_name) }}
),

new_loads as (
    select *
    from pinned_loads
    where source = '{{ source_name }}' and not is_published
),

new_rows as (
    {{ rows_of("raw_rows", "load_id", "new_loads", "load_id", ["load_id"], of_columns=[]) }}
),

raw_counts as (
    select
        load_id,
        count(*) as rows_in_raw
    from new_rows
    group by load_id
),

carried_counts as (
    select
        carried_rows.load_id,
        count(*) as carried_rows
    from carried_rows
    inner join new_loads on carried_rows.load_id = new_loads.load_id
    group by carried_rows.load_id
),

staging_counts as (
    select
        load_id,
        count(*) as rows_in_staging
    from {{ model }}
    where not is_published
    group by load_id
),

counted as (
    select
        new_loads.day,
        new_loads.load_id,
        new_loads.loaded,
        coalesce(carried_counts.carried_rows, 0) as carried_rows,
        coalesce(raw_counts.rows_in_raw, 0) as rows_in_raw,
        coalesce(staging_counts.rows_in_staging, 0) as rows_in_staging
    from new_loads
    left join raw_counts on new_loads.load_id = raw_counts.load_id
    left join carried_counts on new_loads.load_id = carried_counts.load_id
    left join staging_counts on new_loads.load_id = staging_counts.load_id
)

select *
from counted
where loaded <> rows_in_raw or loaded + carried_rows <> rows_in_staging

{% endtest %}
