with stg_posts as (
    select * from {{ ref("stg_posts") }}
),

ranked as (
    select
        *,
        row_number() over (partition by post_id order by day desc) as recency,
        min(day) over (partition by post_id) as first_seen_day
    from stg_posts
),

final as (
    select
        post_id,
        author_id,
        title,
        body,
        first_seen_day,
        day as last_seen_day
    from ranked
    where recency = 1
)

select * from final
