with posts as (
    select * from {{ source("raw", "posts") }}
),

stg_loads as (
    select * from {{ ref("stg_loads") }}
),

final as (
    select
        cast(posts.id as bigint) as post_id,
        cast({{ json_text("posts.payload", "userId") }} as bigint) as author_id,
        cast({{ json_text("posts.payload", "title") }} as text) as title,
        cast({{ json_text("posts.payload", "body") }} as text) as body,
        stg_loads.day,
        stg_loads.load_id
    from posts
    inner join stg_loads on posts.load_id = stg_loads.load_id
)

select * from final
