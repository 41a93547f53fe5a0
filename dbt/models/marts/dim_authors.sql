with fct_posts as (
    select * from {{ ref("fct_posts") }}
),

fct_post_changes as (
    select * from {{ ref("fct_post_changes") }}
),

activity as (
    select
        author_id,
        count(distinct day) as active_days,
        min(day) as first_active_day,
        max(day) as last_active_day
    from fct_post_changes
    where change <> 'deleted'
    group by author_id
),

present as (
    select
        author_id,
        count(*) as posts,
        avg(body_length) as average_body_length,
        avg(body_words) as average_body_words
    from fct_posts
    where not is_deleted
    group by author_id
),

final as (
    select
        activity.author_id,
        coalesce(present.posts, 0) as posts,
        activity.active_days,
        activity.first_active_day,
        activity.last_active_day,
        cast(present.average_body_length as numeric(18, 2)) as average_body_length,
        cast(present.average_body_words as numeric(18, 2)) as average_body_words
    from activity
    left join present on activity.author_id = present.author_id
)

select * from final
