with pinned_loads as (
    select * from {{ ref("pinned_loads") }}
    where source = 'earthquakes'
),

current_earthquakes as (
    {{ current_rows("earthquakes") }}
),

final as (
    select
        pinned_loads.day,
        count(current_earthquakes.earthquake_id) as earthquakes,
        max(current_earthquakes.magnitude) as strongest,
        cast(avg(current_earthquakes.magnitude) as numeric(6, 2)) as average_magnitude
    from pinned_loads
    left join current_earthquakes on pinned_loads.day = current_earthquakes.day
    group by pinned_loads.day
)

select * from final
