with fct_posts as (
    select * from {{ ref("fct_posts") }}
),

final as (
    select
        author_id,
        count(*) as posts,
        min(first_seen_day) as first_seen_day,
        max(last_seen_day) as last_seen_day
    from fct_posts
    group by author_id
)

select * from final
