with pinned_loads as (
    select * from {{ ref("pinned_loads") }}
),

int_post_changes as (
    select * from {{ ref("int_post_changes") }}
),

changes as (
    select
        'posts' as source,
        day,
        count(case when change = 'created' then 1 end) as created,
        count(case when change = 'edited' then 1 end) as edited,
        count(case when change = 'deleted' then 1 end) as deleted
    from int_post_changes
    group by day
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
            order by day
            range between interval '28 days' preceding and interval '1 day' preceding
        )
),

final as (
    select
        weighed.source,
        weighed.day,
        weighed.received,
        weighed.loaded,
        weighed.rejected,
        changes.created,
        changes.edited,
        changes.deleted,
        -- An even history has no deviation. A hundredth of the volume replaces it.
        cast(
            (weighed.loaded - weighed.usual)
            / greatest(weighed.deviation, weighed.usual * 0.01, 1)
            as numeric(18, 2)
        ) as z_score
    from weighed
    left join changes
        on weighed.source = changes.source and weighed.day = changes.day
)

select * from final
