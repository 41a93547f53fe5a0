"""Others that load JSON. Invariant: each does the same work, as well as its documentation allows.

They run in an environment of their own, made from a lock beside this file; the hook's
program runs in ours, where Airflow is.
"""
