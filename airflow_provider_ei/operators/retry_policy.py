"""Retry policy for tasks that use the hook themselves (Airflow 3.3 and later)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import RetryDecision, RetryPolicy

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseServiceError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class EdgeImpulseRetryPolicy(RetryPolicy):
    """Fail without retries on a permanent error; wait as long as the service asked, at most one minute.

    Everything else follows the task's own ``retries`` and ``retry_delay``::

        @task(retries=3, retry_policy=EdgeImpulseRetryPolicy())
        def upload():
            EdgeImpulseHook().add_data(...)

    The operators of this package need it for the waits only: they raise permanent errors as ``AirflowFailException``.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Return the decision for an error, by its ``retryable`` and ``retry_after``."""
        if not isinstance(exception, EdgeImpulseError):
            return RetryDecision.default()
        if not exception.retryable:
            return RetryDecision.fail(reason=str(exception))
        if not isinstance(exception, EdgeImpulseServiceError) or exception.retry_after is None:
            return RetryDecision.default()
        seconds = exception.requested_wait
        return RetryDecision.retry(delay=timedelta(seconds=seconds), reason=f"Edge Impulse asked to wait {seconds:g} s")

    def serialize(self) -> dict[str, Any]:
        """Return no parameters; the policy has none."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> EdgeImpulseRetryPolicy:
        """Return the policy."""
        return cls()
