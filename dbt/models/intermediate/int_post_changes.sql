-- The changes of a day follow from two loads, its own and that of the previous loaded day, and from
-- what both carry. The row without post_id records which they were. A day is computed again when
-- one of them differs, so a late or reloaded day also corrects its successor. Empty and withdrawn
-- days are no special case.
{{ config(
    materialized="incremental",
    incremental_strategy="delete+insert",
    unique_key="day",
    on_schema_change="sync_all_columns",
    post_hook="analyze {{ this }}",
) }}

with pinned_loads as (
    select * from {{ ref("pinned_loads") }}
),

carried_rows as (
    select * from {{ ref("carried_rows") }}
    where position is null
),

stg_posts as (
    select * from {{ ref("stg_posts") }}
),

-- Imported twice: PostgreSQL materialises a CTE that is read in two places.
earlier_posts as (
    select * from {{ ref("stg_posts") }}
),

days as (
    select
        pinned_loads.day,
        pinned_loads.load_id,
        pinned_loads.previous_load_id,
        concat(carried.checksum, '/', carried_before.checksum) as carried,
        '{{ logic_checksum() }}' as logic
    from pinned_loads
    left join carried_rows as carried on pinned_loads.load_id = carried.load_id
    left join carried_rows as carried_before
        on pinned_loads.previous_load_id = carried_before.load_id
    where pinned_loads.source = 'posts'
),

{% if is_incremental() %}
    built_days as (
        select
            day,
            load_id,
            previous_load_id,
            carried,
            logic
        from {{ this }}
        where post_id is null
    ),

    changed_days as (
        select
            coalesce(days.day, built_days.day) as day,
            days.load_id,
            days.previous_load_id,
            days.carried,
            days.logic
        from days
        full outer join built_days on days.day = built_days.day
        where
            days.load_id is distinct from built_days.load_id
            or days.previous_load_id is distinct from built_days.previous_load_id
            or days.carried is distinct from built_days.carried
            or days.logic is distinct from built_days.logic
    ),
{% else %}
    changed_days as (
        select * from days
    ),
{% endif %}

{% set compared_columns = ["post_id", "author_id", "title", "body"] %}

present as (
    {{ rows_of_loads("stg_posts", "changed_days", "load_id", compared_columns) }}
),

earlier as (
    {{ rows_of_loads("earlier_posts", "changed_days", "previous_load_id", compared_columns) }}
),

compared as (
    select
        coalesce(present.day, earlier.day) as day,
        coalesce(present.post_id, earlier.post_id) as post_id,
        coalesce(present.author_id, earlier.author_id) as author_id,
        coalesce(present.title, earlier.title) as title,
        coalesce(present.body, earlier.body) as body,
        earlier.post_id is null as is_created,
        present.post_id is null as is_deleted,
        concat_ws(
            ', ',
            case when present.author_id <> earlier.author_id then 'author_id' end,
            case when present.title <> earlier.title then 'title' end,
            case when present.body <> earlier.body then 'body' end
        ) as changed_fields
    from present
    full outer join earlier
        on present.day = earlier.day and present.post_id = earlier.post_id
),

changes as (
    select
        day,
        post_id,
        author_id,
        title,
        body,
        cast(length(title) as integer) as title_length,
        cast(length(body) as integer) as body_length,
        {{ word_count("title") }} as title_words,
        {{ word_count("body") }} as body_words,
        case
            when is_created then 'created'
            when is_deleted then 'deleted'
            else 'edited'
        end as change,
        nullif(changed_fields, '') as changed_fields
    from compared
    where is_created or is_deleted or changed_fields <> ''
),

final as (
    select
        day,
        load_id,
        previous_load_id,
        carried,
        logic,
        cast(null as bigint) as post_id,
        cast(null as bigint) as author_id,
        cast(null as text) as title,
        cast(null as text) as body,
        cast(null as integer) as title_length,
        cast(null as integer) as body_length,
        cast(null as integer) as title_words,
        cast(null as integer) as body_words,
        cast(null as text) as change,
        cast(null as text) as changed_fields
    from changed_days
    union all
    select
        day,
        null as load_id,
        null as previous_load_id,
        null as carried,
        null as logic,
        post_id,
        author_id,
        title,
        body,
        title_length,
        body_length,
        title_words,
        body_words,
        change,
        changed_fields
    from changes
)

select * from final
