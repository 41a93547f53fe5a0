"""Show each declaration that cannot be used as an import error of Airflow, and as an alert.

The DAGs of the other declarations run: dags/ingest.py builds them. This file has no DAG.
"""

from __future__ import annotations

from sources import PROBLEMS

if PROBLEMS:
    raise ImportError("; ".join(PROBLEMS.values()))
