-- A table, not a view: loaders commit while the models are built one by one, and all models must
-- see the ledger as it was at one instant. Its rows are replaced, not the table: dropping the table
-- would drop the staging views too.
{{ config(
    materialized="incremental",
    pre_hook="{% if is_incremental() %} delete from {{ this }} {% endif %}",
    post_hook="{{ analyze(this) }}",
    on_schema_change="sync_all_columns",
) }}

with loads as (
    select * from {{ source("ops", "loads") }}
),

final as (
    select
        load_id,
        source,
        day,
        day_kind,
        -- Only a snapshot is compared with the day before: other days have other records.
        case when day_kind = 'snapshot' then lag(load_id) over days_before end as previous_load_id,
        case when day_kind = 'snapshot' then lag(day) over days_before end as previous_day,
        lead(load_id) over days_before is null as is_latest,
        received,
        loaded,
        rejected,
        -- A full refresh tests every load again.
        {% if flags.FULL_REFRESH %} false {% else %} published_at is not null {% endif %}
            as is_published
    from loads
    where
        is_current
        -- A day that has not come would hide the latest one.
        and day <= current_date + 1
    window days_before as (partition by source order by day)
)

select * from final
