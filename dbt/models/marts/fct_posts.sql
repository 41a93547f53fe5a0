with pinned_loads as (
    select * from {{ ref("pinned_loads") }}
),

current_comments as (
    {{ current_rows("comments") }}
),

current_users as (
    {{ current_rows("users") }}
),

last_loaded as (
    select max(case when source = 'comments' then day end) as comments_day
    from pinned_loads
),

comments as (
    select
        post_id,
        count(*) as comment_count
    from current_comments
    group by post_id
),

latest as (
    {{ last_rows(
        ref("int_post_changes"), "post_id",
        ["post_id", "day", "author_id", "title", "body", "title_length", "body_length",
            "title_words", "body_words", "change", "first_seen_day", "revisions"],
    ) }}
),

final as (
    select
        latest.post_id,
        latest.author_id,
        current_users.name as author_name,
        latest.title,
        latest.body,
        latest.first_seen_day,
        -- Of posts that are there it would be a new value in every row every day.
        case when latest.change = 'deleted' then pinned_loads.previous_day end as last_seen_day,
        latest.revisions,
        latest.change = 'deleted' as is_deleted,
        latest.title_length,
        latest.body_length,
        latest.title_words,
        latest.body_words,
        -- Before the first load of comments the number is unknown. Later a missing row means 0.
        case
            when last_loaded.comments_day is not null then coalesce(comments.comment_count, 0)
        end as comment_count
    from latest
    inner join pinned_loads
        on latest.day = pinned_loads.day and pinned_loads.source = 'posts'
    cross join last_loaded
    left join comments on latest.post_id = comments.post_id
    left join current_users on latest.author_id = current_users.user_id
)

select * from final
