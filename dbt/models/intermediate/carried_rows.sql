-- A record that a day rejects is unknown on that day, which is not the same as deleted. Its last
-- row is carried forward, from day to day, until a load contains its key or proves its absence. If
-- the key of a reject cannot be read, it can be any record: that day proves no deletion.
-- The row without position records from which loads a day was computed. A day is computed again
-- when either differs, and with it the later days up to the next day without rejects.
{{ config(
    materialized="incremental",
    incremental_strategy="delete+insert",
    unique_key=["source", "day"],
    on_schema_change="sync_all_columns",
    indexes=[{"columns": ["source", "day", "record_key"], "unique": true}],
) }}

{{ with_recursive() }} pinned_loads as (
    select * from {{ ref("pinned_loads") }}
),

record_keys as (
    select * from {{ source("ops", "record_keys") }}
),

later_keys as (
    select * from {{ source("ops", "record_keys") }}
),

rejects as (
    select * from {{ source("ops", "rejects") }}
),

days as (
    select
        source,
        day,
        load_id,
        previous_load_id,
        rejected,
        '{{ logic_checksum() }}' as logic,
        sum(case when rejected = 0 then 1 else 0 end)
            over (partition by source order by day)
            as streak
    from pinned_loads
),

uncertain_days as (
    select * from days
    where rejected > 0 and previous_load_id is not null
),

{% if is_incremental() %}
    built_rows as (
        select * from {{ this }}
    ),

    built_days as (
        select * from built_rows
        where position is null
    ),

    compared_days as (
        select
            coalesce(uncertain_days.source, built_days.source) as source,
            coalesce(uncertain_days.day, built_days.day) as day,
            uncertain_days.load_id,
            uncertain_days.previous_load_id,
            uncertain_days.logic,
            coalesce(uncertain_days.streak, -1) as streak,
            built_days.load_id as built_load_id,
            built_days.previous_load_id as built_previous_load_id,
            built_days.logic as built_logic
        from uncertain_days
        full outer join built_days
            on
                uncertain_days.source = built_days.source
                and uncertain_days.day = built_days.day
    ),

    first_changes as (
        select
            source,
            streak,
            min(day) as day
        from compared_days
        where
            load_id is distinct from built_load_id
            or previous_load_id is distinct from built_previous_load_id
            or logic is distinct from built_logic
        group by source, streak
    ),

    changed_days as (
        select
            compared_days.source,
            compared_days.day,
            compared_days.load_id,
            compared_days.previous_load_id,
            compared_days.logic,
            compared_days.streak
        from compared_days
        inner join first_changes
            on
                compared_days.source = first_changes.source
                and compared_days.streak = first_changes.streak
                and compared_days.day >= first_changes.day
    ),

    -- What the days before them carry, which are not computed again.
    carried_before as (
        select
            changed_days.source,
            changed_days.day,
            changed_days.load_id,
            built_rows.carried_load_id,
            built_rows.position,
            built_rows.record_key
        from changed_days
        inner join built_rows on changed_days.previous_load_id = built_rows.load_id
        left join changed_days as computed on built_rows.load_id = computed.load_id
        where built_rows.position is not null and computed.load_id is null
    ),
{% else %}
    changed_days as (
        select
            source,
            day,
            load_id,
            previous_load_id,
            logic,
            streak
        from uncertain_days
    ),
{% endif %}

unknown_keys as (
    select distinct
        rejects.load_id,
        coalesce(cast(rejects.record_key as {{ text_type() }}), '{}') as record_key
    from rejects
    inner join changed_days on rejects.load_id = changed_days.load_id
),

earlier_rows as (
    {{ rows_of(
        "record_keys", "load_id", "changed_days", "previous_load_id", ["position", "record_key"],
        of_columns=["source", "day", "load_id", "previous_load_id"],
    ) }}
),

last_rows as (
    select
        source,
        day,
        load_id,
        previous_load_id as carried_load_id,
        position,
        record_key
    from earlier_rows
    {% if is_incremental() %}
        union all
        select * from carried_before
    {% endif %}
),

-- Each can be any record: on such a day nothing is known to be absent.
unreadable_keys as (
    select * from unknown_keys
    where record_key = '{}'
),

unknown_rows as (
    select last_rows.*
    from last_rows
    left join unknown_keys
        on
            last_rows.load_id = unknown_keys.load_id
            and last_rows.record_key = unknown_keys.record_key
    left join unreadable_keys on last_rows.load_id = unreadable_keys.load_id
    where unknown_keys.load_id is not null or unreadable_keys.load_id is not null
),

present_keys as (
    {{ rows_of(
        "later_keys", "load_id", "changed_days", "load_id", ["load_id", "record_key"],
    ) }}
),

-- Of the days' own rows only the keys matter that may be carried to them.
known_keys as (
    select
        present_keys.load_id,
        present_keys.record_key
    from present_keys
    where present_keys.record_key in (select unknown_rows.record_key from unknown_rows)
),

{{ carried() }},

checksums as (
    select
        load_id,
        md5(
            {{ ordered_texts(
                "concat(carried_load_id, ':', position)", ["carried_load_id", "position"]
            ) }}
        ) as checksum
    from carried
    group by load_id
),

final as (
    select
        changed_days.source,
        changed_days.day,
        changed_days.load_id,
        changed_days.previous_load_id,
        changed_days.logic,
        checksums.checksum,
        cast(null as bigint) as carried_load_id,
        cast(null as bigint) as position,
        cast(null as {{ text_type() }}) as record_key
    from changed_days
    left join checksums on changed_days.load_id = checksums.load_id
    union all
    select
        source,
        day,
        load_id,
        null as previous_load_id,
        null as logic,
        null as checksum,
        carried_load_id,
        position,
        record_key
    from carried
)

select * from final
