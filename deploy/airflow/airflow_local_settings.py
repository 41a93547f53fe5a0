"""Airflow's hook for local settings. Invariant: only the scheduler pays for importing dbt.

Importing dbt is more than half of a small build's CPU time. LocalExecutor forks its tasks from the
scheduler, so what the scheduler has imported once, every task inherits. Put this file's folder on
PYTHONPATH; docs/adr/0004 has the figures.
"""

import sys

if "scheduler" in sys.argv[1:2]:
    import cosmos.operators.local  # noqa: F401
    import dbt.adapters.postgres
    import dbt.cli.main  # noqa: F401
