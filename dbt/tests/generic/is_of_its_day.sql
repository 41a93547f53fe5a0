{# Returns each row whose moment is not on its day in UTC. #}
{% test is_of_its_day(model, column_name) %}

select *
from {{ model }}
where cast({{ column_name }} as date) <> day

{% endtest %}
