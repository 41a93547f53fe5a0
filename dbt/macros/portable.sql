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

{# How many runs of characters that are no white space a text has. #}
{% macro word_count(column) -%}
    {{ return(adapter.dispatch("word_count", "elt")(column)) }}
{%- endmacro %}

{% macro default__word_count(column) -%}
    regexp_count({{ column }}, '\S+')
{%- endmacro %}

{% macro duckdb__word_count(column) -%}
    len(regexp_extract_all({{ column }}, '\S+'))
{%- endmacro %}
