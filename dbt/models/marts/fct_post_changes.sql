-- Schema build has only the days that the mart does not have in this version. So tests and publish
-- cost what the new days bring.
{{ config(meta={"days": "int_post_changes"}) }}

with unpublished_days as (
    {{ unpublished_days(
        "fct_post_changes", ref("int_post_changes"), ref("published_days"), logic_checksum()
    ) }}
),

changes as (
    {{ rows_of(
        ref("int_post_changes"), "day", "unpublished_days", "day",
        ["post_id", "change", "changed_fields", "author_id", "title", "body"],
    ) }}
),

final as (
    select
        day,
        post_id,
        change,
        changed_fields,
        author_id,
        title,
        body
    from changes
    where post_id is not null
)

select * from final
