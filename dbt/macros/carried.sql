{#
    The CTE `carried` of the model carried_rows: the unknown rows of each changed day that the day
    does not contain, and on from day to day as long as that holds. It reads the model's CTEs
    unknown_rows, known_keys, unknown_keys, unreadable_keys and changed_days.
#}
{% macro carried() -%}
    {{ return(adapter.dispatch("carried", "elt")()) }}
{%- endmacro %}

{% macro default__carried() -%}
    carried as (
        select unknown_rows.*
        from unknown_rows
        left join known_keys
            on
                unknown_rows.load_id = known_keys.load_id
                and unknown_rows.record_key = known_keys.record_key
        where known_keys.load_id is null
        union all
        select
            next_day.source,
            next_day.day,
            next_day.load_id,
            carried.carried_load_id,
            carried.position,
            carried.record_key
        from carried
        inner join changed_days as next_day on carried.load_id = next_day.previous_load_id
        left join unknown_keys
            on
                next_day.load_id = unknown_keys.load_id
                and carried.record_key = unknown_keys.record_key
        left join unreadable_keys on next_day.load_id = unreadable_keys.load_id
        left join known_keys
            on
                next_day.load_id = known_keys.load_id
                and carried.record_key = known_keys.record_key
        where
            (unknown_keys.load_id is not null or unreadable_keys.load_id is not null)
            and known_keys.load_id is null
    )
{%- endmacro %}

{#
    Without recursion, which Sail does not have: each row against all later days of its streak, which
    are quadratic in the days of the streak.
#}
{% macro spark__carried() -%}
    begun as (
        select unknown_rows.*
        from unknown_rows
        left join known_keys
            on
                unknown_rows.load_id = known_keys.load_id
                and unknown_rows.record_key = known_keys.record_key
        where known_keys.load_id is null
    ),

    followed as (
        select
            later_days.source,
            later_days.day,
            later_days.load_id,
            begun.carried_load_id,
            begun.position,
            begun.record_key,
            min(
                case
                    when known_keys.load_id is not null then 0
                    when unknown_keys.load_id is not null then 1
                    when unreadable_keys.load_id is not null then 1
                    else 0
                end
            ) over (
                partition by begun.load_id, begun.carried_load_id, begun.position
                order by later_days.day
            ) as is_carried
        from begun
        inner join changed_days as first_days on begun.load_id = first_days.load_id
        inner join changed_days as later_days
            on
                first_days.source = later_days.source
                and first_days.streak = later_days.streak
                and first_days.day < later_days.day
        left join unknown_keys
            on
                later_days.load_id = unknown_keys.load_id
                and begun.record_key = unknown_keys.record_key
        left join unreadable_keys on later_days.load_id = unreadable_keys.load_id
        left join known_keys
            on
                later_days.load_id = known_keys.load_id
                and begun.record_key = known_keys.record_key
    ),

    carried as (
        select * from begun
        union all
        select
            source,
            day,
            load_id,
            carried_load_id,
            position,
            record_key
        from followed
        where is_carried = 1
    )
{%- endmacro %}

{% macro with_recursive() -%}
    {{ return(adapter.dispatch("with_recursive", "elt")()) }}
{%- endmacro %}

{% macro default__with_recursive() -%}with recursive{%- endmacro %}

{% macro spark__with_recursive() -%}with{%- endmacro %}
