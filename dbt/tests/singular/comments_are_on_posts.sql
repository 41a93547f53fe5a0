-- Returns each comment of the last loaded day of comments whose post was never seen. It only
-- warns: one source that is late must not block the others.
{{ config(severity="warn") }}

with current_comments as (
    {{ current_rows("comments") }}
),

fct_posts as (
    select * from {{ ref("fct_posts") }}
),

pinned_loads as (
    select * from {{ ref("pinned_loads") }}
),

final as (
    select
        current_comments.comment_id,
        current_comments.post_id
    from current_comments
    left join fct_posts on current_comments.post_id = fct_posts.post_id
    where
        fct_posts.post_id is null
        and exists (
            select 1 from pinned_loads
            where pinned_loads.source = 'posts'
        )
)

select * from final
