with posts as (
    {{ pinned_rows("posts") }}
),

final as (
    select
        id as post_id,
        user_id as author_id,
        title,
        body,
        day,
        load_id,
        is_published
    from posts
)

select * from final
