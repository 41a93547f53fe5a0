"""The page *Health* in Airflow's own UI: the facts of `scripts.health`, dressed."""
