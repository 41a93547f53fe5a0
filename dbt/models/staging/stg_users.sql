with users as (
    {{ pinned_rows("users") }}
),

final as (
    select
        cast(id as bigint) as user_id,
        cast({{ json_text("payload", "name") }} as text) as name,
        cast({{ json_text("payload", "username") }} as text) as username,
        cast({{ json_text("payload", "email") }} as text) as email,
        cast({{ json_text("payload", "website") }} as text) as website,
        cast({{ json_text("payload", "address.city") }} as text) as city,
        cast({{ json_text("payload", "company.name") }} as text) as company,
        day,
        load_id,
        is_latest,
        is_published
    from users
)

select * from final
