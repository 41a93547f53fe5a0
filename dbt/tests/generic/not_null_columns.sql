{# Returns each row in which one of the columns is null: one scan for all of them. #}
{% test not_null_columns(model, columns) %}

select *
from {{ model }}
where {{ columns | join(" is null or ") }} is null

{% endtest %}
