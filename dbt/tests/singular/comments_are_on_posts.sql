-- Returns each comment of the last loaded day of comments whose post was never seen. It only
-- warns: one source that is late must not block the others.
{{ config(severity="warn") }}

with stg_comments as (
    select * from {{ ref("stg_comments") }}
),

fct_posts as (
    select * from {{ ref("fct_posts") }}
),

pinned_loads as (
    select * from {{ ref("pinned_loads") }}
),

final as (
    select
        stg_comments.comment_id,
        stg_comments.post_id
    from stg_comments
    left join fct_posts on stg_comments.post_id = fct_posts.post_id
    where
        stg_comments.is_latest
        and fct_posts.post_id is null
        and exists (
            select 1 from pinned_loads
            where pinned_loads.source = 'posts'
        )
)

select * from final
