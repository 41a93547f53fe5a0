"""Other tools that load JSON. Invariant: each does the same work, as its documentation advises.

They run in a separate environment, created from a lock file in this folder. The hook's program
runs in our environment, which has Airflow.
"""
