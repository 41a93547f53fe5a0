{#
    A checksum of the model and of the models that it reads. An incremental model stores it with its
    rows, so that a changed definition computes everything again.
#}
{% macro logic_checksum() -%}
    {%- if not execute -%}{{ return("") }}{%- endif -%}
    {%- set checksums = [graph.nodes[model.unique_id].checksum.checksum] -%}
    {%- for parent in model.depends_on.nodes if parent in graph.nodes -%}
        {%- do checksums.append(graph.nodes[parent].checksum.checksum) -%}
    {%- endfor -%}
    {{ return(local_md5(checksums | sort | join)) }}
{%- endmacro %}
