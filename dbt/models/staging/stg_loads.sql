-- A table, not a view: loaders commit while the models are built one by one, and all of them
-- must see the ledger as it was at one instant.
{{ config(materialized="table", schema="build") }}

with loads as (
    select * from {{ source("ops", "loads") }}
),

final as (
    select
        load_id,
        source,
        day,
        received,
        loaded,
        rejected,
        loaded_at,
        published_at is not null as is_published
    from loads
    where is_current
)

select * from final
