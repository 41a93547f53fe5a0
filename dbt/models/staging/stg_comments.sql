with comments as (
    select * from {{ source("raw", "comments") }}
),

stg_loads as (
    select * from {{ ref("stg_loads") }}
),

typed as (
    select
        load_id,
        cast(id as bigint) as comment_id,
        cast({{ json_text("payload", "postId") }} as bigint) as post_id,
        cast({{ json_text("payload", "name") }} as text) as name,
        cast({{ json_text("payload", "email") }} as text) as email,
        cast({{ json_text("payload", "body") }} as text) as body
    from comments
),

final as (
    select
        typed.comment_id,
        typed.post_id,
        typed.name,
        typed.email,
        typed.body,
        stg_loads.day,
        stg_loads.load_id,
        stg_loads.is_latest,
        stg_loads.is_published
    from typed
    inner join stg_loads on typed.load_id = stg_loads.load_id
)

select * from final
