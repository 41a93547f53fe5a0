with int_post_changes as (
    select * from {{ ref("int_post_changes") }}
    where post_id is not null
),

stg_loads as (
    select * from {{ ref("stg_loads") }}
),

last_loaded as (
    select max(day) as day
    from stg_loads
    where source = 'posts'
),

histories as (
    select
        post_id,
        min(day) as first_seen_day,
        max(day) as last_change_day,
        count(case when change = 'edited' then 1 end) as revisions
    from int_post_changes
    group by post_id
),

final as (
    select
        histories.post_id,
        latest.author_id,
        latest.title,
        latest.body,
        histories.first_seen_day,
        case
            when latest.change = 'deleted' then stg_loads.previous_day
            else last_loaded.day
        end as last_seen_day,
        histories.revisions,
        latest.change = 'deleted' as is_deleted,
        latest.title_length,
        latest.body_length,
        latest.title_words,
        latest.body_words
    from histories
    inner join int_post_changes as latest
        on
            histories.post_id = latest.post_id
            and histories.last_change_day = latest.day
    inner join stg_loads
        on latest.day = stg_loads.day and stg_loads.source = 'posts'
    cross join last_loaded
)

select * from final
