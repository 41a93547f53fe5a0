-- Returns each unpublished load of posts whose rows, in raw or in staging, are not as many as the
-- ledger says.
with stg_loads as (
    select * from {{ ref("stg_loads") }}
),

posts as (
    select * from {{ source("raw", "posts") }}
),

stg_posts as (
    select * from {{ ref("stg_posts") }}
),

new_loads as (
    select *
    from stg_loads
    where source = 'posts' and not is_published
),

raw_counts as (
    select
        new_loads.load_id,
        count(*) as rows_in_raw
    from posts
    inner join new_loads on posts.load_id = new_loads.load_id
    group by new_loads.load_id
),

staging_counts as (
    select
        load_id,
        count(*) as rows_in_staging
    from stg_posts
    where not is_published
    group by load_id
),

counted as (
    select
        new_loads.day,
        new_loads.load_id,
        new_loads.loaded,
        coalesce(raw_counts.rows_in_raw, 0) as rows_in_raw,
        coalesce(staging_counts.rows_in_staging, 0) as rows_in_staging
    from new_loads
    left join raw_counts on new_loads.load_id = raw_counts.load_id
    left join staging_counts on new_loads.load_id = staging_counts.load_id
),

final as (
    select *
    from counted
    where loaded <> rows_in_raw or loaded <> rows_in_staging
)

select * from final
