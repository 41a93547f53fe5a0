{#
    The rows of a source that are valid now, from its staging model `stg_<source>`. What they are
    follows from what a day of the source is: of snapshots the last loaded day, of windows all days,
    of changes the last version of each key. `key` has the key's columns in the staging model; only
    changes need it.
#}
{% macro current_rows(source_name, key=none) -%}
    {%- set staging = ref("stg_" ~ source_name) -%}
    {%- set day_kind = day_kind(source_name) -%}
    {%- if day_kind == "window" -%}
        select * from {{ staging }}
    {%- elif day_kind == "snapshot" -%}
        select * from {{ staging }} where is_latest
    {%- elif not key -%}
        {{ exceptions.raise_compiler_error(
            "current_rows of " ~ source_name ~ ": give its key, as its days are changes"
        ) }}
    {%- else -%}
        select * from (
            select
                *,
                row_number() over (partition by {{ key | join(", ") }} order by day desc) as age
            from {{ staging }}
        ) as versions
        where age = 1
    {%- endif -%}
{%- endmacro %}

{#
    What a day of a source is, as the description of its raw table says: `meta: {day: window}`. A
    unit test does not see descriptions: it says it with `overrides: {macros: {day_kind: window}}`.
#}
{% macro day_kind(source_name) -%}
    {%- set found = graph.get("sources", {}).get("source.elt.raw." ~ source_name, {}) -%}
    {{ return(found.get("meta", {}).get("day", "snapshot")) }}
{%- endmacro %}

{# What the models take a day of a source to be, for the name in a column. Null if none reads it. #}
{% macro modelled_day_kind(column) -%}
    {%- set tables = graph.get("sources", {}).values() | selectattr("source_name", "eq", "raw") | list -%}
    {%- if tables -%}
        case {{ column }}
            {%- for table in tables %}
                when '{{ table.name }}' then '{{ day_kind(table.name) }}'
            {%- endfor %}
        end
    {%- else -%}
        cast(null as {{ text_type() }})
    {%- endif -%}
{%- endmacro %}
