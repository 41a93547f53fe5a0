-- Returns each unpublished load whose number of rows is far from that of the weeks before. It
-- only tells: a day may be unusual and right.
{{ config(severity="warn") }}

with stg_loads as (
    select * from {{ ref("stg_loads") }}
),

fct_daily_volume as (
    select * from {{ ref("fct_daily_volume") }}
),

final as (
    select
        fct_daily_volume.source,
        fct_daily_volume.day,
        fct_daily_volume.loaded,
        fct_daily_volume.z_score
    from fct_daily_volume
    inner join stg_loads
        on
            fct_daily_volume.source = stg_loads.source
            and fct_daily_volume.day = stg_loads.day
    where not stg_loads.is_published and abs(fct_daily_volume.z_score) > 3
)

select * from final
