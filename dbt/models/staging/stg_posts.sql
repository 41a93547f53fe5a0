with posts as (
    select * from {{ source("raw", "posts") }}
),

stg_loads as (
    select * from {{ ref("stg_loads") }}
),

typed as (
    select
        load_id,
        cast(id as bigint) as post_id,
        cast({{ json_text("payload", "userId") }} as bigint) as author_id,
        cast({{ json_text("payload", "title") }} as text) as title,
        cast({{ json_text("payload", "body") }} as text) as body
    from posts
),

final as (
    select
        typed.post_id,
        typed.author_id,
        typed.title,
        typed.body,
        stg_loads.day,
        stg_loads.load_id,
        stg_loads.is_published
    from typed
    inner join stg_loads on typed.load_id = stg_loads.load_id
)

select * from final
