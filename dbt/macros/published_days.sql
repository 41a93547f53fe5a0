{#
    Marts that are histories, transferred by day: `meta: {days: int_...}` names the model whose rows
    with a version say from what each day was built (replace_days.sql). The model published_days
    remembers which versions the mart has. The mart's model has the rows of the other days only, and
    its key begins with the day.
#}

{#
    The days that a mart does not have in their present version. The version is null if the day is
    gone. `days` and `published` are relations, `logic` is the checksum of the mart's model.
#}
{% macro unpublished_days(mart, days, published, logic) -%}
    select
        coalesce(built.day, published.day) as day,
        built.version
    from (
        select
            day,
            concat(version, '/{{ logic }}') as version
        from {{ days }}
        where version is not null
    ) as built
    full outer join (select day, version from {{ published }} where mart = '{{ mart }}') as published
        on built.day = published.day
    where built.version is distinct from published.version
{%- endmacro %}

{# What was published of a mart that is gone has to be published again. #}
{% macro forget_missing_marts(published) -%}
    {{ return(adapter.dispatch("forget_missing_marts", "elt")(published)) }}
{%- endmacro %}

{% macro default__forget_missing_marts(published) -%}
    delete from {{ published }}
    where mart not in (
        select table_name from information_schema.tables where table_schema = 'marts'
    )
{%- endmacro %}

{# Nothing is noted there: a publish on a lakehouse writes whole marts. #}
{% macro spark__forget_missing_marts(published) -%}{%- endmacro %}

{#
    Merge the days that differ, and note their versions. The whole table if nothing of it is noted:
    then the model in build is whole, too. Returns the number of rows written.
#}
{% macro merge_days(model, build, mart, key) -%}
    {%- set days = api.Relation.create(schema=target.schema, identifier=model.config.meta["days"]) -%}
    {%- set published = api.Relation.create(schema=target.schema, identifier="published_days") -%}
    {%- set of_mart = "mart = '" ~ model.alias ~ "'" -%}
    {%- set differing = elt.unpublished_days(model.alias, days, published, elt.logic_checksum(model)) -%}
    {%- set written = [] -%}
    {%- if run_query("select day from " ~ published ~ " where " ~ of_mart ~ " limit 1").rows -%}
        {%- if elt.primary_key(mart) != key -%}
            {{ exceptions.raise_compiler_error(
                mart ~ " is not as it was published. Build it again, with --full-refresh if its key"
                ~ " has changed"
            ) }}
        {%- endif -%}
        {%- do written.append(elt.affected_rows(elt.delete_absent(build, mart, key, differing))) -%}
        {%- do written.append(elt.affected_rows(elt.upsert_statement(build, mart, key))) -%}
    {%- else -%}
        {%- do written.append(elt.affected_rows(elt.merge_statement(build, mart, key))) -%}
    {%- endif -%}
    {#- By index: the planner would read the whole history. -#}
    {%- do elt.demand_equal_counts(
        build,
        mart,
        "with differing as (" ~ differing ~ ") select count(*) from ("
        ~ elt.rows_of("%s", "day", "differing", "day", []) ~ ") as found"
    ) -%}
    {%- do run_query(
        "insert into " ~ published ~ " (mart, day, version)"
        ~ " select '" ~ model.alias ~ "', day, version from (" ~ differing ~ ") as differing"
        ~ " where version is not null"
        ~ " on conflict (mart, day) do update set version = excluded.version"
    ) -%}
    {%- do run_query(
        "delete from " ~ published ~ " where " ~ of_mart
        ~ " and day not in (select day from " ~ days ~ " where version is not null)"
    ) -%}
    {{ return(written | sum) }}
{%- endmacro %}

{# The rows of the differing days that the build does not have. Each day by the key. #}
{% macro delete_absent(build, mart, key, differing) -%}
    {%- set keys = key.split(", ") -%}
    delete from {{ mart }} where ctid = any(array(
        select present.ctid
        from ({{ differing }}) as differing
        cross join lateral (
            select ctid, {{ key }} from {{ mart }} as candidates
            where candidates.day = differing.day
            offset 0
        ) as present
        left join {{ build }} as build
            on ({{ elt.prefixed("present", keys) }}) = ({{ elt.prefixed("build", keys) }})
        where build.day is null
    ))
{%- endmacro %}

{# The other rows by their key, and only those that changed. #}
{% macro upsert_statement(build, mart, key) -%}
    {%- set columns = adapter.get_columns_in_relation(build) | map(attribute="quoted") | list -%}
    insert into {{ mart }} as mart ({{ columns | join(", ") }})
    select {{ columns | join(", ") }} from {{ build }}
    on conflict ({{ key }}) do update
        set ({{ columns | join(", ") }}) = row({{ elt.prefixed("excluded", columns) }})
        where ({{ elt.prefixed("mart", columns) }})
            is distinct from ({{ elt.prefixed("excluded", columns) }})
{%- endmacro %}
