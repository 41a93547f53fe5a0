with users as (
    select * from {{ source("raw", "users") }}
),

stg_loads as (
    select * from {{ ref("stg_loads") }}
),

typed as (
    select
        load_id,
        cast(id as bigint) as user_id,
        cast({{ json_text("payload", "name") }} as text) as name,
        cast({{ json_text("payload", "username") }} as text) as username,
        cast({{ json_text("payload", "email") }} as text) as email,
        cast({{ json_text("payload", "website") }} as text) as website,
        cast({{ json_text("payload", "address.city") }} as text) as city,
        cast({{ json_text("payload", "company.name") }} as text) as company
    from users
),

final as (
    select
        typed.user_id,
        typed.name,
        typed.username,
        typed.email,
        typed.website,
        typed.city,
        typed.company,
        stg_loads.day,
        stg_loads.load_id,
        stg_loads.is_latest,
        stg_loads.is_published
    from typed
    inner join stg_loads on typed.load_id = stg_loads.load_id
)

select * from final
