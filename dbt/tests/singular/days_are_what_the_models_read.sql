-- Returns each pinned load whose source declared its day to be another kind than the models read.
-- The description of the raw table says what they read: `meta: {day: window}`. After a change of
-- the declaration, load the source again: `python -m scripts.rebuild --source NAME`.
with pinned_loads as (
    select * from {{ ref("pinned_loads") }}
),

final as (
    select
        source,
        day,
        day_kind
    from pinned_loads
    where {{ modelled_day_kind("source") }} <> day_kind
)

select * from final
