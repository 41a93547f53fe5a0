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
        cast({{ json_text("address", "city") }} as {{ text_type() }}) as city,
        cast({{ json_text("company", "name") }} as {{ text_type() }}) as company,
        day,
        load_id,
        is_latest,
        is_published
    from users
)

select * from final
