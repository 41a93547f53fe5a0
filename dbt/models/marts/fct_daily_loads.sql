with pinned_loads as (
    select * from {{ ref("pinned_loads") }}
),

weighed as (
    select
        *,
        avg(loaded) over four_weeks_before as usual,
        stddev_samp(loaded) over four_weeks_before as deviation
    from pinned_loads
    window
        four_weeks_before as (
            partition by source
            order by {{ day_number("day") }}
            range between 28 preceding and 1 preceding
        )
),

final as (
    select
        source,
        day,
        received,
        loaded,
        rejected,
        -- An even history has no deviation. A hundredth of the volume replaces it.
        cast(
            (loaded - usual) / greatest(coalesce(deviation, 0), usual * 0.01, 1)
            as numeric(18, 2)
        ) as z_score
    from weighed
)

select * from final
