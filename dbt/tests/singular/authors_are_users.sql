-- Returns each author of existing posts that the last loaded day of users does not contain. It only
-- warns: one source that is late must not block the others.
{{ config(severity="warn") }}

with dim_authors as (
    select * from {{ ref("dim_authors") }}
),

pinned_loads as (
    select * from {{ ref("pinned_loads") }}
),

final as (
    select author_id
    from dim_authors
    where
        posts > 0
        and author_name is null
        and exists (
            select 1 from pinned_loads
            where pinned_loads.source = 'users'
        )
)

select * from final
