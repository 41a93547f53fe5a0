"""The page *Health* in Airflow's UI: renders the facts of `scripts.health`."""
