{#
    A checksum of a model, by default the one that is built, and of the models that it reads. A model
    stores it with its rows, so that a changed definition computes everything again.
#}
{% macro logic_checksum(node=none) -%}
    {%- if not execute -%}{{ return("") }}{%- endif -%}
    {%- set node = node or model -%}
    {%- set checksums = [graph.nodes[node.unique_id].checksum.checksum] -%}
    {%- for parent in node.depends_on.nodes if parent in graph.nodes -%}
        {%- do checksums.append(graph.nodes[parent].checksum.checksum) -%}
    {%- endfor -%}
    {{ return(local_md5(checksums | sort | join)) }}
{%- endmacro %}
