with int_earthquake_days as (
    select * from {{ ref("int_earthquake_days") }}
),

final as (
    select
        day,
        earthquakes,
        strongest,
        average_magnitude
    from int_earthquake_days
    where version <> ''
)

select * from final
