"""Who is told when something goes wrong, and what it says. Invariant: a callback never raises."""

from callbacks.failure import alert_recovery, alert_run_failure, alert_task_failure
from callbacks.monitoring import report_pipeline_state

__all__ = ["alert_recovery", "alert_run_failure", "alert_task_failure", "report_pipeline_state"]
