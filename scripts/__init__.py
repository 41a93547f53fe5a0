"""What each step of the pipeline does: plain Python that never imports Airflow."""
