{#
    Rows of histories by index, so that their cost does not grow with the history. In PostgreSQL the
    offset prevents the planner, which cannot know how few rows are wanted, from reading all of them.
    `model` is a relation, or the name of a CTE that is read nowhere else.
#}

{# The rows of `model` whose `column` is equal to `of_column` of a row of `of`. #}
{% macro rows_of(model, column, of, of_column, columns, of_columns=["day"]) -%}
    {{ return(adapter.dispatch("rows_of", "elt")(
        model, column, of, of_column, columns, of_columns
    )) }}
{%- endmacro %}

{% macro default__rows_of(model, column, of, of_column, columns, of_columns) -%}
    select {{ elt.both(of, of_columns, "found", columns) }}
    from {{ of }}
    inner join (select * from {{ model }}) as found on {{ of }}.{{ of_column }} = found.{{ column }}
{%- endmacro %}

{% macro postgres__rows_of(model, column, of, of_column, columns, of_columns) -%}
    select {{ elt.both(of, of_columns, "found", columns) }}
    from {{ of }}
    cross join lateral (
        select * from (select * from {{ model }}) as candidates
        where candidates.{{ column }} = {{ of }}.{{ of_column }}
        offset 0
    ) as found
{%- endmacro %}

{# The last row of each `key` in `model`, by day. #}
{% macro last_rows(model, key, columns) -%}
    {{ return(adapter.dispatch("last_rows", "elt")(model, key, columns)) }}
{%- endmacro %}

{% macro default__last_rows(model, key, columns) -%}
    select {{ columns | join(", ") }}
    from (
        select
            *,
            row_number() over (partition by {{ key }} order by day desc) as age
        from (select * from {{ model }}) as candidates
        where {{ key }} is not null
    ) as aged
    where age = 1
{%- endmacro %}

{# From key to key in the index on (key, day), backwards. #}
{% macro postgres__last_rows(model, key, columns) -%}
    with recursive last_rows as (
        (
            select {{ columns | join(", ") }} from (select * from {{ model }}) as candidates
            where {{ key }} is not null
            order by {{ key }} desc, day desc
            limit 1
        )
        union all
        select found.*
        from last_rows
        cross join lateral (
            select {{ columns | join(", ") }} from (select * from {{ model }}) as candidates
            where candidates.{{ key }} < last_rows.{{ key }}
            order by {{ key }} desc, day desc
            limit 1
        ) as found
    )

    {#- Of a recursion the planner expects 101 rows, and would hash the millions that come out of it.
        Of a series with an unknown end it expects a thousand, so this says 100,000. #}
    select last_rows.*
    from last_rows
    cross join generate_series(1, (select 1)) as one_row
{%- endmacro %}

{# For each row of `of` (key, day), the last row of its key in `model` before its day. #}
{% macro last_rows_before(model, of, key, columns) -%}
    {{ return(adapter.dispatch("last_rows_before", "elt")(model, of, key, columns)) }}
{%- endmacro %}

{% macro default__last_rows_before(model, of, key, columns) -%}
    select {{ key }}, {{ columns | join(", ") }}
    from (
        select
            found.*,
            row_number() over (partition by found.{{ key }} order by found.day desc) as age
        from {{ of }}
        inner join (select * from {{ model }}) as found
            on {{ of }}.{{ key }} = found.{{ key }} and {{ of }}.day > found.day
    ) as aged
    where age = 1
{%- endmacro %}

{% macro postgres__last_rows_before(model, of, key, columns) -%}
    select {{ elt.both(of, [key], "found", columns) }}
    from {{ of }}
    cross join lateral (
        select * from (select * from {{ model }}) as candidates
        where candidates.{{ key }} = {{ of }}.{{ key }} and candidates.day < {{ of }}.day
        order by candidates.day desc
        limit 1
    ) as found
{%- endmacro %}

{#
    Runs before each table is built. The planner takes a recursion or a CTE of another CTE for a few
    rows, and then joins each of a million rows with each of a thousand. A build joins whole sets,
    so it hashes them. What is wanted by index is a lateral join, which stays a nested loop.
#}
{% macro join_by_hash() -%}
    {{ return(adapter.dispatch("join_by_hash", "elt")()) }}
{%- endmacro %}

{% macro default__join_by_hash() -%}{%- endmacro %}

{% macro postgres__join_by_hash() -%}
    set local enable_nestloop = off
{%- endmacro %}

{#
    Statistics for the models that read the table next, if it has grown since they were collected.
    Autovacuum would collect them a minute later.
#}
{% macro analyze_grown(table) -%}
    {{ return(adapter.dispatch("analyze_grown", "elt")(table)) }}
{%- endmacro %}

{% macro default__analyze_grown(table) -%}
    {{ elt.analyze(table) }}
{%- endmacro %}

{% macro postgres__analyze_grown(table) -%}
    {#- The creation of an index also sets relpages, so a new table is known by its lack of statistics. #}
    do $$ begin
        if (
            select pg_relation_size(oid) > 1.1 * current_setting('block_size')::integer * relpages
                or not exists (
                    select from pg_stats
                    where schemaname = '{{ table.schema }}' and tablename = '{{ table.identifier }}'
                )
            from pg_class where oid = '{{ table }}'::regclass
        ) then
            analyze {{ table }};
        end if;
    end $$
{%- endmacro %}
