{#
    Records what was built and tested, from which pinned loads, and when: publish reads it. Also how
    many rows a test found and where dbt keeps them, which scripts/alerts/dbt_tests.py reads.
#}

{# Runs at the end of every invocation: a run that was killed records nothing. #}
{% macro record_outcomes(results) -%}
    {{ return(adapter.dispatch("record_outcomes", "elt")(results)) }}
{%- endmacro %}

{% macro default__record_outcomes(results) -%}{%- endmacro %}

{#
    What each node of an invocation came to, as rows of SQL: node, whether it passed, how many rows a
    test found, and where they are kept.
#}
{% macro outcomes_of(results) -%}
    {%- set outcomes = [] -%}
    {%- for result in results
        if result.node.resource_type in ("model", "test") and result.status != "skipped" -%}
        {%- set passed = result.status in ("success", "pass", "warn")
            and not invocation_args_dict.get("empty") -%}
        {%- set found = result.failures if result.failures is not none else "null" -%}
        {%- do outcomes.append(
            "('" ~ result.node.unique_id ~ "', " ~ passed | lower ~ ", " ~ found ~ ", '"
            ~ result.node.alias ~ "')"
        ) -%}
    {%- endfor -%}
    {{ return(outcomes) }}
{%- endmacro %}

{% macro postgres__record_outcomes(results) -%}
    {%- set outcomes = elt.outcomes_of(results) -%}
    {%- if outcomes -%}
        {%- set is_pinned = elt.exists(target.schema ~ ".pinned_loads") -%}
        begin;
        lock table ops.outcomes_lock in exclusive mode;
        create table if not exists {{ target.schema }}.outcomes (
            node text primary key,
            passed boolean not null,
            failures bigint,
            kept_in text,
            snapshot text not null,
            recorded_at timestamptz not null
        );
        alter table {{ target.schema }}.outcomes  -- a table of an earlier release
            add column if not exists failures bigint,
            add column if not exists kept_in text;
        insert into {{ target.schema }}.outcomes (
            node, passed, failures, kept_in, snapshot, recorded_at
        )
        select
            node,
            passed,
            cast(failures as bigint),
            kept_in,
            {{ elt.snapshot() if is_pinned else "'nothing is pinned yet'" }},
            statement_timestamp()
        from (values {{ outcomes | join(", ") }}) as latest (node, passed, failures, kept_in)
        on conflict (node) do update set
            passed = excluded.passed,
            failures = excluded.failures,
            kept_in = excluded.kept_in,
            snapshot = excluded.snapshot,
            recorded_at = excluded.recorded_at;
        commit;
    {%- endif -%}
{%- endmacro %}

{# Which loads are pinned, as one value. #}
{% macro snapshot() -%}
    (
        select
            md5(coalesce({{ elt.ordered_texts(
                "cast(load_id as " ~ elt.text_type() ~ ")", ["load_id"]
            ) }}, ''))
        from {{ target.schema }}.pinned_loads
    )
{%- endmacro %}

{# The table with the last outcome of each node. #}
{% macro last_outcomes() -%}
    {{ return(adapter.dispatch("last_outcomes", "elt")()) }}
{%- endmacro %}

{% macro default__last_outcomes() -%}
    {{ return(target.schema ~ ".outcomes") }}
{%- endmacro %}

{# The raw tables that a rebuild has not filled yet. #}
{% macro incomplete_raw_tables() -%}
    {{ return(adapter.dispatch("incomplete_raw_tables", "elt")()) }}
{%- endmacro %}

{% macro default__incomplete_raw_tables() -%}
    {{ return(run_query(
        "select relname from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace"
        ~ " where nspname = 'raw' and obj_description(pg_class.oid, 'pg_class') = 'rebuilding'"
    ).columns[0].values() | list) }}
{%- endmacro %}

{% macro exists(table) -%}
    {{ return(adapter.dispatch("exists", "elt")(table)) }}
{%- endmacro %}

{% macro default__exists(table) -%}
    {{ return(run_query("select to_regclass('" ~ table ~ "') is not null").rows[0][0]) }}
{%- endmacro %}

{# One line for each reason why schema build is not one complete, tested state. #}
{% macro reasons_not_whole() -%}
    {%- set outcomes = {} -%}
    {%- set table = run_query(
        "select node, passed, recorded_at, "
        ~ "snapshot = " ~ elt.snapshot() ~ " as is_pinned "
        ~ "from " ~ elt.last_outcomes()
    ) -%}
    {%- for row in table.rows -%}
        {%- do outcomes.update({row["node"]: row}) -%}
    {%- endfor -%}
    {%- set reasons = [] -%}
    {%- for table in elt.incomplete_raw_tables() -%}
        {%- do reasons.append(
            "raw." ~ table ~ " is not complete: run python -m scripts.rebuild --source "
            ~ table.removesuffix("_rows")
        ) -%}
    {%- endfor -%}
    {%- for node in graph.nodes.values() if elt.is_gate(node) -%}
        {%- set outcome = outcomes.get(node.unique_id) -%}
        {%- set is_of_now = outcome is not none
            and (outcome["is_pinned"] or not elt.reads_what_is_pinned(node)) -%}
        {%- if not is_of_now -%}
            {%- do reasons.append(node.name ~ " has not run on this snapshot of the ledger") -%}
        {%- elif not outcome["passed"] -%}
            {%- do reasons.append(node.name ~ " failed") -%}
        {%- else -%}
            {%- for parent in node.depends_on.nodes if parent in outcomes -%}
                {%- if outcomes[parent]["recorded_at"] > outcome["recorded_at"] -%}
                    {%- do reasons.append(
                        node.name ~ " is older than its parent " ~ parent.split(".")[2]
                    ) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(reasons) }}
{%- endmacro %}

{# Models, and the tests that may stop a publish. #}
{% macro is_gate(node) -%}
    {{ return(
        node.package_name == "elt"
        and (
            node.resource_type == "model"
            or (
                node.resource_type == "test"
                and node.config.severity | lower == "error"
            )
        )
    ) }}
{%- endmacro %}

{#
    A test of sources alone may run before or beside the model that pins the ledger, so it has no
    snapshot to compare with. Its last outcome counts.
#}
{% macro reads_what_is_pinned(node) -%}
    {{ return(
        node.resource_type == "model" or "model." in node.depends_on.nodes | join(" ")
    ) }}
{%- endmacro %}
