with posts as (
    {{ pinned_rows("posts") }}
),

final as (
    select
        cast(id as bigint) as post_id,
        cast({{ json_text("payload", "userId") }} as bigint) as author_id,
        cast({{ json_text("payload", "title") }} as text) as title,
        cast({{ json_text("payload", "body") }} as text) as body,
        day,
        load_id,
        is_published
    from posts
)

select * from final
