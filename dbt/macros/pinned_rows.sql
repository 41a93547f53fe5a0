{#
    The rows of a source that this build reads: those of the pinned loads, each with its day, whether
    the day is the source's last loaded one, and whether the load was published before. A day also
    has the last rows of the records that it rejected (see the model carried_rows). `raw_load_id` is
    the load that brought the row, `load_id` the load of the day.
#}
{% macro pinned_rows(source_name) -%}
    with pinned_loads as (
        select * from {{ ref("pinned_loads") }}
    ),

    carried_rows as (
        select * from {{ ref("carried_rows") }}
        where position is not null
    ),

    {{ raw_rows("raw_rows", source_name) }},

    {#- Imported twice: PostgreSQL materialises a CTE that is read in two places. #}
    {{ raw_rows("earlier_rows", source_name) }}

    {{ rows_of(
        "raw_rows", "raw_load_id", "pinned_loads", "load_id", ["*"],
        of_columns=["load_id", "day", "is_latest", "is_published"],
    ) }}
    union all
    select
        pinned_loads.load_id,
        pinned_loads.day,
        pinned_loads.is_latest,
        pinned_loads.is_published,
        earlier_rows.*
    from carried_rows
    inner join pinned_loads on carried_rows.load_id = pinned_loads.load_id
    inner join earlier_rows
        on
            carried_rows.carried_load_id = earlier_rows.raw_load_id
            and carried_rows.position = earlier_rows.position
{%- endmacro %}
