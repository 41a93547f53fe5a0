with int_post_changes as (
    select * from {{ ref("int_post_changes") }}
),

final as (
    select
        post_id,
        day,
        change,
        changed_fields,
        author_id,
        title,
        body
    from int_post_changes
    where post_id is not null
)

select * from final
