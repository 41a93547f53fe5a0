with comments as (
    {{ pinned_rows("comments") }}
),

final as (
    select
        cast(id as bigint) as comment_id,
        cast({{ json_text("payload", "postId") }} as bigint) as post_id,
        cast({{ json_text("payload", "name") }} as text) as name,
        cast({{ json_text("payload", "email") }} as text) as email,
        cast({{ json_text("payload", "body") }} as text) as body,
        day,
        load_id,
        is_latest,
        is_published
    from comments
)

select * from final
