{# The columns together name a row: returns each combination that occurs more than once. #}
{% test unique_together(model, columns) %}

select
    {{ columns | join(", ") }},
    count(*) as occurrences
from {{ model }}
group by {{ columns | join(", ") }}
having count(*) > 1

{% endtest %}
