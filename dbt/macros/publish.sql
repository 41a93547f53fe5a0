{#
    Bring the tables of schema marts to what schema build holds: every model of the folder marts,
    in one transaction, as deleted and inserted rows. Readers never wait for it, and one with an
    open snapshot keeps its rows; a table that were truncated, renamed or made anew would look
    empty to that reader. Refuses a build that is not whole.
#}
{% macro publish() -%}
    {%- set models = elt.marts_models() -%}
    {%- do run_query("begin") -%}
    {%- do run_query("select pg_advisory_xact_lock(hashtext('elt.publish'))") -%}
    {%- do elt.hold_build(models) -%}
    {%- set reasons = elt.reasons_not_whole() -%}
    {%- if reasons -%}
        {{ exceptions.raise_compiler_error(
            "nothing published, run dbt build again: " ~ reasons | join("; ")
        ) }}
    {%- endif -%}
    {%- for model in models -%}
        {%- do elt.publish_model(model) -%}
    {%- endfor -%}
    {%- set loads = elt.affected_rows(
        "update ops.loads set published_at = now() where published_at is null"
        ~ " and load_id in (select load_id from " ~ target.schema ~ ".stg_loads)"
    ) -%}
    {%- do run_query("commit") -%}
    {{ log("published " ~ loads ~ " loads", info=true) }}
{%- endmacro %}

{#
    Publish at the end of an invocation with PIPELINE_DBT_PUBLISH=true in its environment, unless
    something failed: in the same process, and so without starting and parsing once more.
#}
{% macro publish_if_asked(results) -%}
    {%- if execute and env_var("PIPELINE_DBT_PUBLISH", "false") == "true"
        and results | map(attribute="status") | reject("in", ("success", "pass", "warn", "no-op"))
            | list | length == 0 -%}
        {%- do elt.publish() -%}
    {%- endif -%}
{%- endmacro %}

{# The models of the folder marts, in a fixed order. #}
{% macro marts_models() -%}
    {%- set models = [] -%}
    {%- for node in graph.nodes.values() | sort(attribute="name")
        if node.resource_type == "model" and node.fqn[1] == "marts" -%}
        {%- do models.append(node) -%}
    {%- endfor -%}
    {{ return(models) }}
{%- endmacro %}

{# Keep another dbt from replacing a table between the check and the copy. #}
{% macro hold_build(models) -%}
    {%- set tables = [target.schema ~ ".stg_loads", target.schema ~ ".outcomes"] -%}
    {%- for model in models -%}
        {%- do tables.append(model.schema ~ "." ~ model.alias) -%}
    {%- endfor -%}
    {%- for table in tables if not elt.exists(table) -%}
        {{ exceptions.raise_compiler_error(
            "nothing published, run dbt build first: there is no table " ~ table
        ) }}
    {%- endfor -%}
    {%- do run_query("lock table " ~ tables | join(", ") ~ " in share mode") -%}
{%- endmacro %}

{# Apply the difference between a model's table in build and its table in marts. #}
{% macro publish_model(model) -%}
    {%- set source = model.schema ~ "." ~ model.alias -%}
    {%- set mart = "marts." ~ model.alias -%}
    {%- set changed = elt.align_columns(source, mart) -%}
    {%- set columns = elt.columns_of(source).keys() | list -%}
    {%- set keys = elt.key_of(source) -%}
    {%- if not keys -%}
        {{ exceptions.raise_compiler_error(model.name ~ " has no primary key: add the constraint") }}
    {%- endif -%}
    {%- set same_key -%}
        ({{ elt.prefixed("old", keys) }}) = ({{ elt.prefixed("new", keys) }})
    {%- endset -%}
    {%- set deleted = elt.affected_rows(
        "delete from " ~ mart ~ " as old where not exists (select from " ~ source
        ~ " as new where " ~ same_key ~ " and (" ~ elt.prefixed("old", columns)
        ~ ") is not distinct from (" ~ elt.prefixed("new", columns) ~ "))"
    ) -%}
    {%- set inserted = elt.affected_rows(
        "insert into " ~ mart ~ " (" ~ columns | join(", ") ~ ") select "
        ~ columns | join(", ") ~ " from " ~ source ~ " as new where not exists (select from "
        ~ mart ~ " as old where " ~ same_key ~ ")"
    ) -%}
    {%- if changed -%}
        {%- do elt.align_constraints(source, mart, keys) -%}
    {%- endif -%}
    {{ log(mart ~ ": " ~ deleted ~ " deleted, " ~ inserted ~ " inserted", info=true) }}
{%- endmacro %}

{# Give the mart the columns that the build has; returns whether anything differed. #}
{% macro align_columns(source, mart) -%}
    {%- if not elt.exists(mart) -%}
        {%- do run_query("create table " ~ mart ~ " (like " ~ source ~ ")") -%}
        {{ return(true) }}
    {%- endif -%}
    {%- set wanted = elt.columns_of(source) -%}
    {%- set present = elt.columns_of(mart) -%}
    {%- set changes = [] -%}
    {%- for column, type in present.items() if wanted.get(column) != type -%}
        {%- do changes.append("drop column " ~ column) -%}
    {%- endfor -%}
    {%- for column, type in wanted.items() if present.get(column) != type -%}
        {%- do changes.append("add column " ~ column ~ " " ~ type) -%}
    {%- endfor -%}
    {%- if changes -%}
        {#- The only moment that locks readers out: give up rather than make them queue. -#}
        {%- do run_query("set local lock_timeout = '1s'") -%}
        {%- do run_query("alter table " ~ mart ~ " " ~ changes | join(", ")) -%}
    {%- endif -%}
    {{ return(changes | length > 0) }}
{%- endmacro %}

{# Not null and primary key of the build, once the rows fit them. #}
{% macro align_constraints(source, mart, keys) -%}
    {%- set nullable = run_query(
        "select quote_ident(attname) from pg_attribute where attrelid = '" ~ source ~ "'::regclass"
        ~ " and attnum > 0 and not attisdropped and not attnotnull"
    ) -%}
    {%- set optional = nullable.columns[0].values() -%}
    {%- set changes = [] -%}
    {%- set present_keys = elt.key_of(mart) -%}
    {%- if present_keys and present_keys != keys -%}
        {%- do run_query("alter table " ~ mart ~ " drop constraint " ~ elt.key_name(mart)) -%}
    {%- endif -%}
    {%- for column in elt.columns_of(source) -%}
        {%- set verb = "drop" if column in optional else "set" -%}
        {%- do changes.append("alter column " ~ column ~ " " ~ verb ~ " not null") -%}
    {%- endfor -%}
    {%- if present_keys != keys -%}
        {%- do changes.append("add primary key (" ~ keys | join(", ") ~ ")") -%}
    {%- endif -%}
    {%- do run_query("alter table " ~ mart ~ " " ~ changes | join(", ")) -%}
{%- endmacro %}

{# Column names and types of a table, in its order. #}
{% macro columns_of(table) -%}
    {%- set found = run_query(
        "select quote_ident(attname), format_type(atttypid, atttypmod) from pg_attribute"
        ~ " where attrelid = '" ~ table ~ "'::regclass and attnum > 0 and not attisdropped"
        ~ " order by attnum"
    ) -%}
    {%- set columns = {} -%}
    {%- for row in found.rows -%}
        {%- do columns.update({row[0]: row[1]}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}

{# The primary key's columns. #}
{% macro key_of(table) -%}
    {%- set found = run_query(
        "select quote_ident(attname) from pg_index inner join pg_attribute"
        ~ " on attrelid = indrelid and attnum = any(indkey)"
        ~ " where indisprimary and indrelid = '" ~ table ~ "'::regclass order by attnum"
    ) -%}
    {%- set keys = [] -%}
    {%- for row in found.rows -%}
        {%- do keys.append(row[0]) -%}
    {%- endfor -%}
    {{ return(keys) }}
{%- endmacro %}

{# The name of the primary key constraint. #}
{% macro key_name(table) -%}
    {{ return(run_query(
        "select conname from pg_constraint where contype = 'p'"
        ~ " and conrelid = '" ~ table ~ "'::regclass"
    ).rows[0][0]) }}
{%- endmacro %}

{% macro prefixed(alias, columns) -%}
    {%- set qualified = [] -%}
    {%- for column in columns -%}
        {%- do qualified.append(alias ~ "." ~ column) -%}
    {%- endfor -%}
    {{ return(qualified | join(", ")) }}
{%- endmacro %}

{# Run a statement and return how many rows it changed. #}
{% macro affected_rows(sql) -%}
    {%- call statement("affected", auto_begin=false) -%}{{ sql }}{%- endcall -%}
    {{ return(load_result("affected").response.rows_affected) }}
{%- endmacro %}
