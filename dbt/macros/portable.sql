{# What databases spell differently. Everything else in the models is common SQL. #}

{# The text of a top-level field of a JSON column; null when the field is absent or null. #}
{% macro json_text(column, field) -%}
    {{ return(adapter.dispatch("json_text", "elt")(column, field)) }}
{%- endmacro %}

{% macro default__json_text(column, field) -%}
    {{ column }} ->> '{{ field }}'
{%- endmacro %}

{% macro duckdb__json_text(column, field) -%}
    json_extract_string({{ column }}, '$.{{ field }}')
{%- endmacro %}
