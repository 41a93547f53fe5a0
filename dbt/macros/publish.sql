{#
    Write-audit-publish, last step. Merges every model of the folder marts from schema build into
    schema marts, in one transaction or not at all. Readers never wait for it, and a reader with an
    open snapshot keeps its rows: a table that is truncated, renamed or created again would look
    empty to that reader. Refuses a build that is not complete and tested. A model that names its
    days (`meta: {days: int_...}`) is merged day by day, see published_days.sql.
#}
{% macro publish(drop_unowned=false) -%}
    {{ return(adapter.dispatch("publish", "elt")(drop_unowned)) }}
{%- endmacro %}

{% macro default__publish(drop_unowned) -%}
    {%- set models = elt.marts_models() -%}
    {%- do run_query("begin") -%}
    {%- do run_query("lock table ops.publish_lock in exclusive mode") -%}
    {#- The keys of a million rows: a merge that hashes them on disk takes twice as long. -#}
    {%- do run_query("set local work_mem = '64MB'") -%}
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
    {%- do elt.settle_unowned_marts(models, drop_unowned) -%}
    {%- set loads = elt.affected_rows(
        "update ops.loads set published_at = now() where published_at is null"
        ~ " and load_id in (select load_id from " ~ target.schema ~ ".pinned_loads)"
    ) -%}
    {%- do run_query("commit") -%}
    {{ log("published " ~ loads ~ " loads", info=true) }}
{%- endmacro %}

{#
    Publish at the end of an invocation with PIPELINE_DBT_PUBLISH=true in its environment, unless
    something failed. In the same process, so dbt does not start and parse once more.
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

{#
    Note the tables of schema marts that no model owns, as a model that was removed or renamed leaves
    them. Nothing updates them any more, and erasure cannot look into them. `drop` removes those that
    this role owns, with the views on them.
#}
{% macro settle_unowned_marts(models, drop) -%}
    {%- set unowned -%}
        from pg_class
        where relnamespace = 'marts'::regnamespace and relkind in ('r', 'p', 'm')
            and relname not in ('{{ models | map(attribute="alias") | join("', '") }}')
    {%- endset -%}
    {%- if drop -%}
        {%- for row in run_query(
            "select case relkind when 'm' then 'materialized view ' else 'table ' end"
            ~ " || 'marts.' || quote_ident(relname) " ~ unowned
            ~ " and pg_get_userbyid(relowner) = current_user"
        ).rows -%}
            {%- do run_query("drop " ~ row[0] ~ " cascade") -%}
            {{ log("dropped " ~ row[0] ~ ", which no model owns", info=true) }}
        {%- endfor -%}
    {%- endif -%}
    {%- set noted = target.schema ~ ".unowned_marts" -%}
    {%- do run_query("create table if not exists " ~ noted ~ " (name text primary key)") -%}
    {%- do run_query("delete from " ~ noted) -%}
    {%- do run_query("insert into " ~ noted ~ " select relname " ~ unowned) -%}
{%- endmacro %}

{# Prevent another dbt from replacing a table between the check and the merge. #}
{% macro hold_build(models) -%}
    {%- set tables = [] -%}
    {%- for name in ("pinned_loads", "outcomes", "published_days") -%}
        {%- do tables.append(target.schema ~ "." ~ name) -%}
    {%- endfor -%}
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

{# Merge a model's table in build into its table in marts. #}
{% macro publish_model(model) -%}
    {%- set build = api.Relation.create(schema=model.schema, identifier=model.alias) -%}
    {%- set mart = api.Relation.create(schema="marts", identifier=model.alias) -%}
    {%- set key = elt.primary_key(build) -%}
    {%- if not key -%}
        {{ exceptions.raise_compiler_error(model.name ~ " has no primary key: add the constraint") }}
    {%- endif -%}
    {%- if not elt.exists(mart) -%}
        {%- do run_query("create table " ~ mart ~ " (like " ~ build ~ ")") -%}
    {%- endif -%}
    {%- set changes = elt.column_changes(build, mart) -%}
    {%- if changes -%}
        {#- The only moment that locks readers out: give up rather than let them queue. -#}
        {%- do run_query("set local lock_timeout = '1s'") -%}
        {%- do run_query("alter table " ~ mart ~ " " ~ changes | join(", ")) -%}
    {%- endif -%}
    {%- if model.config.meta.get("days") -%}
        {%- set written = elt.merge_days(model, build, mart, key) -%}
    {%- else -%}
        {%- set written = elt.affected_rows(elt.merge_statement(build, mart, key)) -%}
        {%- do elt.demand_equal_counts(build, mart, "select count(*) from %s") -%}
    {%- endif -%}
    {%- if elt.primary_key(mart) != key -%}
        {%- do run_query(
            "alter table " ~ mart ~ " drop constraint if exists " ~ model.alias ~ "_pkey, "
            ~ "add constraint " ~ model.alias ~ "_pkey primary key (" ~ key ~ ")"
        ) -%}
    {%- endif -%}
    {%- if changes -%}
        {%- do run_query("alter table " ~ mart ~ " " ~ elt.nullability(build)) -%}
    {%- endif -%}
    {{ log(mart.render() ~ ": " ~ written ~ " rows written", info=true) }}
{%- endmacro %}

{# The difference only: a row that did not change is not written. #}
{% macro merge_statement(build, mart, key) -%}
    {%- set columns = adapter.get_columns_in_relation(build) | map(attribute="quoted") | list -%}
    {%- set keys = key.split(", ") -%}
    merge into {{ mart }} as mart using {{ build }} as build
    on ({{ elt.prefixed("mart", keys) }}) = ({{ elt.prefixed("build", keys) }})
    when matched
        and ({{ elt.prefixed("mart", columns) }})
            is distinct from ({{ elt.prefixed("build", columns) }})
        then update set ({{ columns | join(", ") }}) = row({{ elt.prefixed("build", columns) }})
    when not matched by target
        then insert ({{ columns | join(", ") }}) values ({{ elt.prefixed("build", columns) }})
    when not matched by source
        then delete
{%- endmacro %}

{#
    Raise if a merge did not leave as many rows as the build has, by a query that counts those of a
    table, %s. A trigger or a rule on the mart can cause that.
#}
{% macro demand_equal_counts(build, mart, count) -%}
    {%- set counts = [] -%}
    {%- for table in (build, mart) -%}
        {%- do counts.append(run_query(count | replace("%s", table)).rows[0][0]) -%}
    {%- endfor -%}
    {%- if counts[0] != counts[1] -%}
        {{ exceptions.raise_compiler_error(
            "nothing published: of " ~ counts[0] ~ " rows of " ~ build ~ ", " ~ mart ~ " would show "
            ~ counts[1] ~ ". If it has no trigger and no rule, this is a defect of the pipeline"
        ) }}
    {%- endif -%}
{%- endmacro %}

{# What gives the mart the columns of the build; a column of another type is added again. #}
{% macro column_changes(build, mart) -%}
    {%- set wanted, present = {}, {} -%}
    {%- for column in adapter.get_columns_in_relation(build) -%}
        {%- do wanted.update({column.quoted: column.data_type}) -%}
    {%- endfor -%}
    {%- for column in adapter.get_columns_in_relation(mart) -%}
        {%- do present.update({column.quoted: column.data_type}) -%}
    {%- endfor -%}
    {%- set changes = [] -%}
    {%- for column, type in present.items() if wanted.get(column) != type -%}
        {%- do changes.append("drop column " ~ column) -%}
    {%- endfor -%}
    {%- for column, type in wanted.items() if present.get(column) != type -%}
        {%- do changes.append("add column " ~ column ~ " " ~ type) -%}
    {%- endfor -%}
    {{ return(changes) }}
{%- endmacro %}

{# The primary key's columns as one text, or none. #}
{% macro primary_key(relation) -%}
    {{ return(run_query(
        "select string_agg(quote_ident(attname), ', ' order by array_position(indkey, attnum))"
        ~ " from pg_index"
        ~ " inner join pg_attribute on attrelid = indrelid and attnum = any(indkey)"
        ~ " where indisprimary and indrelid = '" ~ relation ~ "'::regclass"
    ).rows[0][0]) }}
{%- endmacro %}

{# What makes each column of the mart as nullable as in the build, once the rows fit. #}
{% macro nullability(build) -%}
    {{ return(run_query(
        "select string_agg('alter column ' || quote_ident(attname)"
        ~ " || case when attnotnull then ' set' else ' drop' end || ' not null', ', ')"
        ~ " from pg_attribute where attrelid = '" ~ build ~ "'::regclass"
        ~ " and attnum > 0 and not attisdropped"
    ).rows[0][0]) }}
{%- endmacro %}

{% macro both(alias, columns, other_alias, other_columns) -%}
    {{ return(
        [elt.prefixed(alias, columns), elt.prefixed(other_alias, other_columns)]
        | select | join(", ")
    ) }}
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
