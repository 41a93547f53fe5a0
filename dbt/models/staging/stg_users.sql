with users as (
    {{ pinned_rows("users") }}
),

final as (
    select
        id as user_id,
        name,
        username,
        email,
        website,
        cast({{ json_text("address", "city") }} as text) as city,
        cast({{ json_text("company", "name") }} as text) as company,
        day,
        load_id,
        is_latest,
        is_published
    from users
)

select * from final
