with earthquakes as (
    {{ pinned_rows("earthquakes") }}
),

final as (
    select
        id as earthquake_id,
        {{ moment_of_milliseconds(json_text("properties", "time")) }} as happened_at,
        cast({{ json_text("properties", "mag") }} as numeric(6, 2)) as magnitude,
        cast({{ json_text("properties", "place") }} as {{ text_type() }}) as place,
        day,
        load_id,
        is_latest,
        is_published
    from earthquakes
)

select * from final
