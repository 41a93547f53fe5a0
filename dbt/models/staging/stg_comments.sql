with comments as (
    {{ pinned_rows("comments") }}
),

final as (
    select
        id as comment_id,
        post_id,
        name,
        email,
        body,
        day,
        load_id,
        is_latest,
        is_published
    from comments
)

select * from final
