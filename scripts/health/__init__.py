"""Is the pipeline well? What the health page and `python -m scripts.health` show."""
