-- Each loaded day of earthquakes, added up once.
{{ config(
    materialized="incremental",
    incremental_strategy="replace_days",
    unique_key="day",
) }}

with days as (
    select
        day,
        load_id,
        concat_ws('', load_id, '/', loaded, '/{{ logic_checksum() }}') as version
    from {{ ref("pinned_loads") }}
    where source = 'earthquakes'
),

changed_days as (
    {{ changed_days("days") }}
),

changed_loads as (
    select days.*
    from days
    inner join changed_days on days.day = changed_days.day
),

stg_earthquakes as (
    select * from {{ ref("stg_earthquakes") }}
),

earthquakes as (
    {{ rows_of("stg_earthquakes", "load_id", "changed_loads", "load_id", ["magnitude"]) }}
),

counted as (
    select
        day,
        count(*) as earthquakes,
        max(magnitude) as strongest,
        {{ average("magnitude", "numeric(6, 2)") }} as average_magnitude
    from earthquakes
    group by day
),

final as (
    select
        changed_days.day,
        changed_days.version,
        coalesce(counted.earthquakes, 0) as earthquakes,
        counted.strongest,
        counted.average_magnitude
    from changed_days
    left join counted on changed_days.day = counted.day
)

select * from final
