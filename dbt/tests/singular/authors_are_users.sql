-- Returns each author of present posts who is no user of the last loaded day of users. It only
-- tells: one source that is late must not block the others.
{{ config(severity="warn") }}

with dim_authors as (
    select * from {{ ref("dim_authors") }}
),

stg_loads as (
    select * from {{ ref("stg_loads") }}
),

final as (
    select author_id
    from dim_authors
    where
        posts > 0
        and author_name is null
        and exists (
            select 1 from stg_loads
            where stg_loads.source = 'users'
        )
)

select * from final
