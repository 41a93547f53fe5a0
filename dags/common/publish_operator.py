"""The last step of ``transform_posts``: publish, and say why if dbt refuses.

Cosmos expects the result of a model. That of an operation has no node, so a refused publish would
be reported as an AttributeError, and the retry policy could not tell what happened.
"""

from __future__ import annotations

from typing import Any

from cosmos.operators.local import DbtRunOperationLocalOperator

from scripts.dbt import one_line


class PublishMarts(DbtRunOperationLocalOperator):  # type: ignore[misc]  # Cosmos has no types
    """Runs dbt's macro ``publish``. Its failure has dbt's own words."""

    def execute(self, context: Any, **arguments: Any) -> Any:
        """Publish. Raises RuntimeError with the messages of dbt, on which the policy decides."""
        self._messages: list[str] = []
        self._dbt_runner_callbacks = [self._keep]
        return super().execute(context, **arguments)

    def handle_exception_dbt_runner(self, result: Any) -> None:
        """Raise what dbt said, if it failed."""
        if not result.success:
            said = "; ".join(self._messages) or one_line(str(result.exception))
            raise RuntimeError(f"dbt publish: {said}")

    def _keep(self, event: Any) -> None:
        if event.info.level == "error" and (line := one_line(event.info.msg)):
            self._messages.append(line)
