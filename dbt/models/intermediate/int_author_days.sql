-- Each day on which an author was active, so that nothing reads whole histories to count them.
{{ config(
    materialized="incremental",
    incremental_strategy="replace_days",
    unique_key="day",
    indexes=[{"columns": ["day"]}, {"columns": ["version"]}],
) }}

with days as (
    select
        day,
        concat(version, '/{{ logic_checksum() }}') as version
    from {{ ref("int_post_changes") }}
    where version is not null
),

changed_days as (
    {{ changed_days("days") }}
),

changes as (
    {{ rows_of(ref("int_post_changes"), "day", "changed_days", "day", ["author_id", "change"]) }}
),

active_authors as (
    select distinct
        day,
        author_id
    from changes
    where change <> 'deleted'
),

final as (
    select
        day,
        version,
        cast(null as bigint) as author_id
    from changed_days
    union all
    select
        day,
        null as version,
        author_id
    from active_authors
)

select * from final
