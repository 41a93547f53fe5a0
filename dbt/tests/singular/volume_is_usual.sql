-- Returns each unpublished load whose number of rows is far from that of the weeks before. It
-- only warns: a day can be unusual and correct.
{{ config(severity="warn") }}

with pinned_loads as (
    select * from {{ ref("pinned_loads") }}
),

fct_daily_loads as (
    select * from {{ ref("fct_daily_loads") }}
),

final as (
    select
        fct_daily_loads.source,
        fct_daily_loads.day,
        fct_daily_loads.loaded,
        fct_daily_loads.z_score
    from fct_daily_loads
    inner join pinned_loads
        on
            fct_daily_loads.source = pinned_loads.source
            and fct_daily_loads.day = pinned_loads.day
    where
        not pinned_loads.is_published
        -- Without records only a source that declares it is loaded. A window may well have none.
        and (pinned_loads.received > 0 or pinned_loads.day_kind = 'snapshot')
        and abs(fct_daily_loads.z_score)
        > {{ env_var("PIPELINE_VOLUME_Z_SCORE", "3") | float }}
)

select * from final
