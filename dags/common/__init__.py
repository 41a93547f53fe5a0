"""What the DAG files share and what is not a DAG."""
