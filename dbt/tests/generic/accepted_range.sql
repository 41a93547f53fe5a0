{# Returns each row whose value lies outside [least, greatest]; a null is not judged. #}
{% test accepted_range(model, column_name, least, greatest=none) %}

select *
from {{ model }}
where {{ column_name }} < {{ least }}{{ " or " ~ column_name ~ " > " ~ greatest if greatest is not none }}

{% endtest %}
