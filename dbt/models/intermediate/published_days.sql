-- Written by the publish, in its transaction: from which version of each day a mart has its rows.
-- It knows nothing of a mart that is gone. After a full refresh it is empty, and every mart is
-- compared as a whole.
-- depends_on: {{ ref("pinned_loads") }}
{{ config(
    materialized="incremental",
    pre_hook="{% if is_incremental() %} {{ forget_missing_marts(this) }} {% endif %}",
    indexes=[{"columns": ["mart", "day"], "unique": true}],
) }}

with final as (
    select
        cast(null as {{ text_type() }}) as mart,
        cast(null as date) as day,
        cast(null as {{ text_type() }}) as version
)

select * from final
where day is not null
