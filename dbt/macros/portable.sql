{# What differs between databases. Everything else in the models is common SQL. #}

{#
    The text of a field of a JSON column, or of a field inside it ("address.city"); null when the
    field is absent or null.
#}
{% macro json_text(column, path) -%}
    {{ return(adapter.dispatch("json_text", "elt")(column, path)) }}
{%- endmacro %}

{% macro default__json_text(column, path) -%}
    {{ column }} #>> '{% raw %}{{% endraw %}{{ path | replace(".", ",") }}{% raw %}}{% endraw %}'
{%- endmacro %}

{% macro duckdb__json_text(column, path) -%}
    json_extract_string({{ column }}, '$.{{ path }}')
{%- endmacro %}

{# The moment that a number of milliseconds since 1970, as text, names. #}
{% macro moment_of_milliseconds(text) -%}
    to_timestamp(cast({{ text }} as numeric) / 1000)
{%- endmacro %}

{# The number of words of a text: runs of characters other than space, tab, and ends of a line or page. #}
{% macro word_count(column) -%}
    {{ return(adapter.dispatch("word_count", "elt")(column)) }}
{%- endmacro %}

{#- Four times as fast as a regular expression, which was most of the time of a first day. #}
{% macro default__word_count(column) -%}
    {%- set spaced = namespace(text=column) -%}
    {%- for code in (9, 10, 12, 13) -%}
        {%- set spaced.text = "replace(" ~ spaced.text ~ ", chr(" ~ code ~ "), ' ')" -%}
    {%- endfor -%}
    cardinality(array_remove(string_to_array({{ spaced.text }}, ' '), ''))
{%- endmacro %}

{% macro duckdb__word_count(column) -%}
    cast(len(regexp_extract_all({{ column }}, '\S+')) as integer)
{%- endmacro %}
