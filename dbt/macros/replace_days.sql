{#
    Incremental models that are computed day by day: `incremental_strategy="replace_days"`. Each day
    has one row with a `version`, which says from what the day was computed. Its other rows have
    none. So a day that differs is found from the state, whatever happened to the runs before.
#}

{#
    The days of the CTE `days` (day, version) that the table does not have in this version. A day
    that is gone has the version ''.
#}
{% macro changed_days(days) -%}
    {%- if is_incremental() -%}
        select
            coalesce(wanted.day, built.day) as day,
            coalesce(wanted.version, '') as version
        from {{ days }} as wanted
        full outer join (select day, version from {{ this }} where version is not null) as built
            on wanted.day = built.day
        where coalesce(wanted.version, '') is distinct from built.version
    {%- else -%}
        select day, version from {{ days }}
    {%- endif -%}
{%- endmacro %}

{# The strategy: delete what the table has of the computed days, then insert. #}
{% macro get_incremental_replace_days_sql(arguments) -%}
    {{ return(adapter.dispatch("replace_days", "elt")(arguments)) }}
{%- endmacro %}

{% macro default__replace_days(arguments) -%}
    {{ return(get_incremental_delete_insert_sql(arguments)) }}
{%- endmacro %}

{# Each day by its index: the planner cannot know how few days these are. #}
{% macro postgres__replace_days(arguments) -%}
    {%- set table, computed = arguments["target_relation"], arguments["temp_relation"] -%}
    delete from {{ table }} where ctid = any(array(
        select found.ctid
        from (select distinct day from {{ computed }}) as computed
        cross join lateral (
            select ctid from {{ table }} as built where built.day = computed.day offset 0
        ) as found
    ));
    {{ get_insert_into_sql(table, computed, arguments["dest_columns"]) }}
{%- endmacro %}

{#
    Runs before every invocation: drop a table of an earlier release that lacks a described column,
    so that it is built anew as a whole. The model reads its columns before dbt could add one.
#}
{% macro drop_outdated() -%}
    {%- for node in graph.get("nodes", {}).values()
        if execute and node.config.get("incremental_strategy") == "replace_days" -%}
        {%- set table = adapter.get_relation(node.database, node.schema, node.alias) -%}
        {%- if table -%}
            {%- set found = adapter.get_columns_in_relation(table) | map(attribute="name") -%}
            {%- if node.columns | reject("in", found) | list -%}
                {%- do adapter.drop_relation(table) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
