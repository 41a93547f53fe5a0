{#
    The raw rows of a source that this build reads: those of the pinned loads, each with its day,
    whether the day is the source's last loaded one, and whether the load was published before.
#}
{% macro pinned_rows(source_name) -%}
    with raw_rows as (
        select * from {{ source("raw", source_name) }}
    ),

    pinned_loads as (
        select * from {{ ref("pinned_loads") }}
    )

    select
        raw_rows.*,
        pinned_loads.day,
        pinned_loads.is_latest,
        pinned_loads.is_published
    from raw_rows
    inner join pinned_loads on raw_rows.load_id = pinned_loads.load_id
{%- endmacro %}
