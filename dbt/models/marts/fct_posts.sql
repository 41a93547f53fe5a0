with fct_post_changes as (
    select * from {{ ref("fct_post_changes") }}
),

stg_loads as (
    select * from {{ ref("stg_loads") }}
),

last_loaded as (
    select max(day) as day
    from stg_loads
    where source = 'posts'
),

ranked as (
    select
        *,
        row_number() over (partition by post_id order by day desc) as recency,
        min(day) over (partition by post_id) as first_seen_day,
        count(case when change = 'edited' then 1 end) over (partition by post_id) as revisions
    from fct_post_changes
),

latest as (
    select
        *,
        change = 'deleted' as is_deleted
    from ranked
    where recency = 1
),

final as (
    select
        latest.post_id,
        latest.author_id,
        latest.title,
        latest.body,
        latest.first_seen_day,
        case
            when latest.is_deleted then stg_loads.previous_day
            else last_loaded.day
        end as last_seen_day,
        latest.revisions,
        latest.is_deleted,
        length(latest.title) as title_length,
        length(latest.body) as body_length,
        {{ word_count("latest.title") }} as title_words,
        {{ word_count("latest.body") }} as body_words
    from latest
    cross join last_loaded
    inner join stg_loads
        on latest.day = stg_loads.day and stg_loads.source = 'posts'
)

select * from final
