-- The changes of a day follow from two loads, its own and that of the previous loaded day, and from
-- what both carry. The row without post_id records in `version` which they were, and how many rows
-- they have: an erasure leaves fewer. A day is computed again when it differs, so a late or
-- reloaded day also corrects its successor. Empty and withdrawn days are no special case.
-- A change knows what came before it: when the post was first seen, and how often it was edited. So
-- the last change of a post is its state, and no model reads whole histories.
{{ config(
    materialized="incremental",
    incremental_strategy="replace_days",
    unique_key="day",
    indexes=[
        {"columns": ["post_id", "day"], "unique": true},
        {"columns": ["day"]},
        {"columns": ["version"]},
    ],
    post_hook="{{ analyze_grown(this) }}",
) }}

{% set compared_columns = ["post_id", "author_id", "title", "body"] %}
{% set change_columns = ["day", "post_id", "author_id", "title", "body", "title_length",
    "body_length", "title_words", "body_words", "change", "changed_fields"] %}

with pinned_loads as (
    select * from {{ ref("pinned_loads") }}
),

previous_loads as (
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
        concat_ws(
            '', pinned_loads.load_id, '/', pinned_loads.loaded,
            '/', pinned_loads.previous_load_id, '/', previous_loads.loaded,
            '/', carried.checksum, '/', carried_before.checksum, '/{{ logic_checksum() }}'
        ) as version
    from pinned_loads
    left join previous_loads on pinned_loads.previous_load_id = previous_loads.load_id
    left join carried_rows as carried on pinned_loads.load_id = carried.load_id
    left join carried_rows as carried_before
        on pinned_loads.previous_load_id = carried_before.load_id
    where pinned_loads.source = 'posts'
),

changed_days as (
    {{ changed_days("days") }}
),

changed_loads as (
    select days.*
    from days
    inner join changed_days on days.day = changed_days.day
),

present as (
    {{ rows_of("stg_posts", "load_id", "changed_loads", "load_id", compared_columns) }}
),

earlier as (
    {{ rows_of("earlier_posts", "load_id", "changed_loads", "previous_load_id", compared_columns) }}
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

{% if is_incremental() %}
    -- The changes of later days stay as they are, but what came before them may differ.
    first_change as (
        select min(day) as day from changed_days
    ),

    later_days as (
        select
            built.day,
            built.version
        from {{ this }} as built
        inner join first_change on built.day > first_change.day
        left join changed_days on built.day = changed_days.day
        where built.version is not null and changed_days.day is null
    ),

    later_changes as (
        {{ rows_of(this, "day", "later_days", "day", change_columns, of_columns=[]) }}
    ),

    counted_days as (
        select * from changed_days
        union all
        select * from later_days
    ),

    counted_changes as (
        select * from changes
        union all
        select * from later_changes
        where post_id is not null
    ),

    counted_posts as (
        select distinct
            counted_changes.post_id,
            first_change.day
        from counted_changes
        cross join first_change
    ),

    before as (
        {{ last_rows_before(this, "counted_posts", "post_id", ["first_seen_day", "revisions"]) }}
    ),
{% else %}
    counted_days as (
        select * from changed_days
    ),

    counted_changes as (
        select * from changes
    ),

    before as (
        select
            cast(null as bigint) as post_id,
            cast(null as date) as first_seen_day,
            cast(null as bigint) as revisions
    ),
{% endif %}

counted as (
    select
        counted_changes.*,
        min(counted_changes.day) over post_history as first_seen_day,
        count(case when counted_changes.change = 'edited' then 1 end)
            over post_history_until as revisions
    from counted_changes
    window
        post_history as (partition by counted_changes.post_id),
        post_history_until as (
            partition by counted_changes.post_id
            order by counted_changes.day
        )
),

final as (
    select
        day,
        version,
        cast(null as bigint) as post_id,
        cast(null as bigint) as author_id,
        cast(null as {{ text_type() }}) as title,
        cast(null as {{ text_type() }}) as body,
        cast(null as integer) as title_length,
        cast(null as integer) as body_length,
        cast(null as integer) as title_words,
        cast(null as integer) as body_words,
        cast(null as {{ text_type() }}) as change,
        cast(null as {{ text_type() }}) as changed_fields,
        cast(null as date) as first_seen_day,
        cast(null as bigint) as revisions
    from counted_days
    union all
    select
        counted.day,
        null as version,
        counted.post_id,
        counted.author_id,
        counted.title,
        counted.body,
        counted.title_length,
        counted.body_length,
        counted.title_words,
        counted.body_words,
        counted.change,
        counted.changed_fields,
        coalesce(before.first_seen_day, counted.first_seen_day) as first_seen_day,
        coalesce(before.revisions, 0) + counted.revisions as revisions
    from counted
    left join before on counted.post_id = before.post_id
)

select * from final
