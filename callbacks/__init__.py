"""Who is told when something goes wrong, and what it says. Invariant: a callback never raises."""

from callbacks.alerts import alert_run_failure, alert_task_failure, tell_recovery
from callbacks.watchman import watch_over

__all__ = ["alert_run_failure", "alert_task_failure", "tell_recovery", "watch_over"]
