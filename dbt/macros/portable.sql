{#
    What differs between databases. Everything else in the models is common SQL. A macro without
    prefix is for PostgreSQL and DuckDB, `spark__` for engines that are reached through Spark Connect.
#}

{# The type of a text. #}
{% macro text_type() -%}
    {{ return(adapter.dispatch("text_type", "elt")()) }}
{%- endmacro %}

{% macro default__text_type() -%}text{%- endmacro %}

{% macro spark__text_type() -%}string{%- endmacro %}

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

{% macro spark__json_text(column, path) -%}
    get_json_object({{ column }}, '$.{{ path }}')
{%- endmacro %}

{# The moment that a number of milliseconds since 1970, as text, names. #}
{% macro moment_of_milliseconds(text) -%}
    {{ return(adapter.dispatch("moment_of_milliseconds", "elt")(text)) }}
{%- endmacro %}

{% macro default__moment_of_milliseconds(text) -%}
    to_timestamp(cast({{ text }} as numeric) / 1000)
{%- endmacro %}

{% macro spark__moment_of_milliseconds(text) -%}
    timestamp_millis(cast({{ text }} as bigint))
{%- endmacro %}

{# The number of words of a text: runs of characters other than space, tab, and ends of a line or page. #}
{% macro word_count(column) -%}
    {{ return(adapter.dispatch("word_count", "elt")(column)) }}
{%- endmacro %}

{#- Four times as fast as a regular expression, which was most of the time of a first day. #}
{% macro default__word_count(column) -%}
    cardinality(array_remove(string_to_array({{ elt.spaced(column) }}, ' '), ''))
{%- endmacro %}

{% macro duckdb__word_count(column) -%}
    cast(len(regexp_extract_all({{ column }}, '\S+')) as integer)
{%- endmacro %}

{% macro spark__word_count(column) -%}
    array_size(array_remove(split({{ elt.spaced(column) }}, ' '), ''))
{%- endmacro %}

{% macro spaced(column) -%}
    {%- set spaced = namespace(text=column) -%}
    {%- for code in (9, 10, 12, 13) -%}
        {%- set spaced.text = "replace(" ~ spaced.text ~ ", chr(" ~ code ~ "), ' ')" -%}
    {%- endfor -%}
    {{ return(spaced.text) }}
{%- endmacro %}

{#
    The number of a day, for windows over days. A range of an interval does not exist everywhere:
    Sail takes it, and finds no row in it.
#}
{% macro day_number(day) -%}
    {{ return(adapter.dispatch("day_number", "elt")(day)) }}
{%- endmacro %}

{% macro default__day_number(day) -%}
    {{ day }} - cast('1970-01-01' as date)
{%- endmacro %}

{% macro spark__day_number(day) -%}
    unix_date({{ day }})
{%- endmacro %}

{#
    The average, rounded to two decimals. In PostgreSQL it is exact. Elsewhere it is a double, and
    201 / 200 becomes 1.00. In Spark, `whole` numbers that are not negative are divided exactly.
#}
{% macro average(column, type="numeric(18, 2)", whole=false) -%}
    {{ return(adapter.dispatch("average", "elt")(column, type, whole)) }}
{%- endmacro %}

{% macro default__average(column, type, whole) -%}
    cast(avg({{ column }}) as {{ type }})
{%- endmacro %}

{% macro spark__average(column, type, whole) -%}
    {%- if whole -%}
        cast(
            cast(
                (200 * sum({{ column }}) + count({{ column }})) div (2 * count({{ column }}))
                as decimal(20, 0)
            ) / 100 as {{ type }}
        )
    {%- else -%}
        cast(avg({{ column }}) as {{ type }})
    {%- endif -%}
{%- endmacro %}

{# One text of several, in the order of whole numbers that are not negative. #}
{% macro ordered_texts(text, order) -%}
    {{ return(adapter.dispatch("ordered_texts", "elt")(text, order)) }}
{%- endmacro %}

{% macro default__ordered_texts(text, order) -%}
    string_agg({{ text }}, ',' order by {{ order | join(", ") }})
{%- endmacro %}

{% macro spark__ordered_texts(text, order) -%}
    listagg({{ text }}, ',') within group (order by {{ order | join(", ") }})
{%- endmacro %}

{#
    The CTE `name` with all rows of a source, whose load_id is called raw_load_id. PostgreSQL and
    DuckDB can rename the first column alone, Spark has to list the described ones.
#}
{% macro raw_rows(name, source_name) -%}
    {{ return(adapter.dispatch("raw_rows", "elt")(name, source_name)) }}
{%- endmacro %}

{% macro default__raw_rows(name, source_name) -%}
    {{ name }} (raw_load_id) as (
        select * from {{ source("raw", source_name) }}
    )
{%- endmacro %}

{% macro spark__raw_rows(name, source_name) -%}
    {%- set described = graph.get("sources", {}).get("source.elt.raw." ~ source_name, {}) -%}
    {%- set columns = ["load_id as raw_load_id"] -%}
    {%- for column in described.get("columns", {}) if column != "load_id" -%}
        {%- do columns.append(adapter.quote(column)) -%}
    {%- endfor -%}
    {{ name }} as (
        select {{ columns | join(", ") }} from {{ source("raw", source_name) }}
    )
{%- endmacro %}

{# Statistics for the models that read a table next. A Delta table has its own. #}
{% macro analyze(table) -%}
    {{ return(adapter.dispatch("analyze", "elt")(table)) }}
{%- endmacro %}

{% macro default__analyze(table) -%}
    analyze {{ table }}
{%- endmacro %}

{% macro spark__analyze(table) -%}{%- endmacro %}
