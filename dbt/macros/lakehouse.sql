{#
    The project on an engine that is reached through Spark Connect, with Delta tables below
    PIPELINE_LAKEHOUSE_ROOT. Each statement is one commit of one table, and nothing spans two. So what
    has to be consistent is found from the state, as after a kill.
#}

{# A table lies where its name says. It may get other columns. #}
{% macro spark__create_table_as(temporary, relation, compiled_code, language="sql") -%}
    {%- if temporary -%}
        {{ return(create_temporary_view(relation, compiled_code)) }}
    {%- endif -%}
    create or replace table {{ relation }} using delta options (overwriteSchema 'true')
    location '{{ elt.location(relation.schema, relation.identifier) }}'
    as {{ compiled_code }}
{%- endmacro %}

{% macro location(schema, name) -%}
    {{ return(env_var("PIPELINE_LAKEHOUSE_ROOT") ~ "/" ~ schema ~ "/" ~ name) }}
{%- endmacro %}

{#
    The computed rows are written first: a view of them would be computed again after rows that it
    reads were replaced. A kill leaves their table, which the next run replaces.
#}
{% materialization incremental, adapter="spark" -%}
    {%- set present = load_cached_relation(this) -%}
    {{ run_hooks(pre_hooks) }}
    {%- if present is none or should_full_refresh() -%}
        {%- call statement("main") -%}
            {{ create_table_as(false, this, compiled_code) }}
        {%- endcall -%}
    {%- else -%}
        {%- set computed = this.incorporate(path={"identifier": this.identifier ~ "_computed"}) -%}
        {%- call statement("computed") -%}
            {{ create_table_as(false, computed, compiled_code) }}
        {%- endcall -%}
        {%- call statement("main") -%}
            {{ elt.insert_computed(this, computed, config.get("unique_key")) }}
        {%- endcall -%}
    {%- endif -%}
    {{ run_hooks(post_hooks) }}
    {{ return({"relations": [this]}) }}
{%- endmaterialization %}

{# Insert the computed rows. In the same commit the rows with their keys leave the table. #}
{% macro insert_computed(table, computed, unique_key) -%}
    {%- set keys = [unique_key] if unique_key is string else unique_key or [] -%}
    {%- set columns = adapter.get_columns_in_relation(table) | map(attribute="quoted") | list -%}
    {%- set replaced = [] -%}
    {%- if keys -%}
        {%- for row in run_query(
            "select distinct " ~ keys | join(", ") ~ " from " ~ computed
        ).rows -%}
            {%- set found = [] -%}
            {%- for key in keys -%}
                {%- do found.append(key ~ " = cast('" ~ row[key] ~ "' as " ~ elt.key_type(table, key) ~ ")") -%}
            {%- endfor -%}
            {%- do replaced.append(found | join(" and ")) -%}
        {%- endfor -%}
    {%- endif -%}
    insert into {{ table }}
    {%- if replaced %} replace where ({{ replaced | join(") or (") }}){% endif %}
    select {{ columns | join(", ") }} from {{ computed }}
{%- endmacro %}

{% macro key_type(table, key) -%}
    {%- for column in adapter.get_columns_in_relation(table) if column.name == key -%}
        {{ return(column.dtype) }}
    {%- endfor -%}
{%- endmacro %}

{% macro spark__exists(table) -%}
    {%- set parts = table.split(".") -%}
    {{ return(run_query("show tables in " ~ parts[0] ~ " like '" ~ parts[1] ~ "'").rows | length > 0) }}
{%- endmacro %}

{# The ledger is not pinned while a raw table is incomplete. #}
{% macro spark__incomplete_raw_tables() -%}
    {{ return([]) }}
{%- endmacro %}

{# Rows are only added: of two merges at the same time one fails. #}
{% macro spark__record_outcomes(results) -%}
    {%- set outcomes = elt.outcomes_of(results) -%}
    {%- if outcomes -%}
        {%- do run_query(
            "create table if not exists " ~ target.schema ~ ".outcomes (node string, passed boolean,"
            ~ " failures bigint, kept_in string, snapshot string, recorded_at timestamp) using delta"
            ~ " location '" ~ elt.location(target.schema, "outcomes") ~ "'"
        ) -%}
        insert into {{ target.schema }}.outcomes
        select
            node,
            passed,
            cast(failures as bigint) as failures,
            kept_in,
            {{ elt.snapshot() if elt.exists(target.schema ~ ".pinned_loads") else "'nothing is pinned yet'" }} as snapshot,
            current_timestamp() as recorded_at
        from (values {{ outcomes | join(", ") }}) as latest (node, passed, failures, kept_in)
    {%- endif -%}
{%- endmacro %}

{% macro spark__last_outcomes() -%}
    {{ return(
        "(select * from (select *, row_number() over (partition by node order by recorded_at desc)"
        ~ " as age from " ~ target.schema ~ ".outcomes) as aged where age = 1) as last_outcomes"
    ) }}
{%- endmacro %}

{#
    Write-audit-publish, last step. Every mart is written to schema published under a new publish_id,
    beside the rows that readers see. Then one commit of a table with one row shows it: the views in
    schema marts join that table. A kill before leaves rows that nobody reads, and the next
    publish does not keep them.
#}
{% macro spark__publish(drop_unowned) -%}
    {%- set models = elt.marts_models() -%}
    {%- for name in ["pinned_loads", "outcomes"] + (models | map(attribute="alias") | list)
        if not elt.exists(target.schema ~ "." ~ name) -%}
        {{ exceptions.raise_compiler_error(
            "nothing published, run dbt build first: there is no table " ~ target.schema ~ "." ~ name
        ) }}
    {%- endfor -%}
    {%- set reasons = elt.reasons_not_whole() -%}
    {%- for model in models -%}
        {%- do reasons.extend(elt.reasons_of_key(model)) -%}
    {%- endfor -%}
    {%- if reasons -%}
        {{ exceptions.raise_compiler_error(
            "nothing published, run dbt build again: " ~ reasons | join("; ")
        ) }}
    {%- endif -%}
    {%- do run_query("create schema if not exists published") -%}
    {%- set names = ["pinned_loads"] + (models | map(attribute="alias") | list) -%}
    {%- for name in names -%}
        {%- do elt.write_published(name) -%}
    {%- endfor -%}
    {%- do run_query(spark__create_table_as(
        false,
        api.Relation.create(schema="published", identifier="current"),
        "select '" ~ invocation_id ~ "' as publish_id, current_timestamp() as published_at"
    )) -%}
    {%- do elt.reader_views() -%}
    {{ log("published " ~ invocation_id, info=true) }}
{%- endmacro %}

{# In one commit: the new rows, and those that readers see. #}
{% macro write_published(name) -%}
    {%- set build = api.Relation.create(schema=target.schema, identifier=name) -%}
    {%- set written = api.Relation.create(schema="published", identifier=name) -%}
    {%- set columns = adapter.get_columns_in_relation(build) -%}
    {%- set names = columns | map(attribute="quoted") | join(", ") -%}
    {%- set rows = ["select " ~ names ~ ", '" ~ invocation_id ~ "' as publish_id from " ~ build] -%}
    {%- if elt.exists("published." ~ name) and elt.exists("published.current") -%}
        {%- do rows.append(
            "select " ~ elt.kept_columns(written, columns) ~ ", publish_id from " ~ written
            ~ " where publish_id in (select publish_id from published.current)"
        ) -%}
    {%- endif -%}
    {%- do run_query(spark__create_table_as(false, written, rows | join(" union all "))) -%}
{%- endmacro %}

{#
    The views that readers see. A publish creates them. Run it manually if the catalog has lost them:
    `dbt run-operation reader_views`.
#}
{% macro reader_views() -%}
    {%- do run_query("create schema if not exists marts") -%}
    {%- for model in elt.marts_models() if elt.exists("published." ~ model.alias) -%}
        {%- set written = api.Relation.create(schema="published", identifier=model.alias) -%}
        {%- set columns = adapter.get_columns_in_relation(written) | map(attribute="quoted")
            | reject("equalto", adapter.quote("publish_id")) | join(", ") -%}
        {%- do run_query(
            "create or replace view marts." ~ model.alias ~ " as select " ~ columns ~ " from "
            ~ written ~ " inner join published.current using (publish_id)"
        ) -%}
    {%- endfor -%}
{%- endmacro %}

{# The columns of the build, of the rows that readers see: null if those do not have one. #}
{% macro kept_columns(written, columns) -%}
    {%- set present, kept = {}, [] -%}
    {%- for column in adapter.get_columns_in_relation(written) -%}
        {%- do present.update({column.name: column.dtype}) -%}
    {%- endfor -%}
    {%- for column in columns -%}
        {%- if present.get(column.name) == column.dtype -%}
            {%- do kept.append(column.quoted) -%}
        {%- else -%}
            {%- do kept.append("cast(null as " ~ column.dtype ~ ") as " ~ column.quoted) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(kept | join(", ")) }}
{%- endmacro %}

{# One line if the rows of a mart break its primary key: a Delta table has none. #}
{% macro reasons_of_key(model) -%}
    {%- set keys = elt.declared_key(model) -%}
    {%- if not keys -%}
        {{ exceptions.raise_compiler_error(model.name ~ " has no primary key: add the constraint") }}
    {%- endif -%}
    {%- set counts = run_query(
        "select count(*) as present, count(case when " ~ keys | join(" is not null and ")
        ~ " is not null then 1 end) as complete, (select count(*) from (select distinct "
        ~ keys | join(", ") ~ " from " ~ target.schema ~ "." ~ model.alias ~ ") as keys) as keys"
        ~ " from " ~ target.schema ~ "." ~ model.alias
    ).rows[0] -%}
    {%- set is_whole = counts[0] == counts[1] and counts[0] == counts[2] -%}
    {{ return([] if is_whole else [
        model.name ~ " has " ~ counts[0] ~ " rows, of which " ~ counts[1] ~ " have the whole key ("
        ~ keys | join(", ") ~ "), and " ~ counts[2] ~ " keys"
    ]) }}
{%- endmacro %}

{# The columns of the primary key, as the contract declares it. #}
{% macro declared_key(model) -%}
    {%- set keys = [] -%}
    {%- for constraint in model.constraints if constraint.type == "primary_key" -%}
        {%- do keys.extend(constraint.columns) -%}
    {%- endfor -%}
    {%- for column in model.columns.values() -%}
        {%- for constraint in column.constraints if constraint.type == "primary_key" -%}
            {%- do keys.append(column.name) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(keys) }}
{%- endmacro %}
