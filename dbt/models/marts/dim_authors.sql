with fct_posts as (
    select * from {{ ref("fct_posts") }}
),

int_author_days as (
    select * from {{ ref("int_author_days") }}
    where author_id is not null
),

current_users as (
    {{ current_rows("users") }}
),

activity as (
    select
        author_id,
        count(*) as active_days,
        min(day) as first_active_day,
        max(day) as last_active_day
    from int_author_days
    group by author_id
),

present as (
    select
        author_id,
        count(*) as posts,
        sum(comment_count) as comments,
        {{ average("body_length", whole=true) }} as average_body_length,
        {{ average("body_words", whole=true) }} as average_body_words
    from fct_posts
    where not is_deleted
    group by author_id
),

final as (
    select
        activity.author_id,
        current_users.name as author_name,
        current_users.username,
        current_users.website,
        current_users.city,
        current_users.company,
        coalesce(present.posts, 0) as posts,
        cast(present.comments as bigint) as comments,
        activity.active_days,
        activity.first_active_day,
        activity.last_active_day,
        present.average_body_length,
        present.average_body_words
    from activity
    left join present on activity.author_id = present.author_id
    left join current_users on activity.author_id = current_users.user_id
)

select * from final
