"""For tasks that use the hook themselves, on Airflow 3.3 and later: which errors are worth a retry, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import RetryDecision, RetryPolicy

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.studio.retry import asked_wait

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class EdgeImpulseRetryPolicy(RetryPolicy):
    """Fail at once on a permanent error; after throttling wait as long as the service asked, a minute at most.

    Everything else follows the task's own ``retries`` and ``retry_delay``::

        @task(retries=3, retry_policy=EdgeImpulseRetryPolicy())
        def upload():
            EdgeImpulseHook().add_data(...)

    The operators of this package need it only for the waits: they turn permanent errors into
    ``AirflowFailException`` themselves.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide by the error's ``retryable`` and ``retry_after`` (seconds)."""
        if not isinstance(exception, EdgeImpulseError):
            return RetryDecision.default()
        if not exception.retryable:
            return RetryDecision.fail(reason=str(exception))
        if getattr(exception, "retry_after", None) is None:
            return RetryDecision.default()
        seconds = asked_wait(exception)
        return RetryDecision.retry(delay=timedelta(seconds=seconds), reason=f"Edge Impulse asked to wait {seconds:g} s")

    def serialize(self) -> dict[str, Any]:
        """Return what :meth:`deserialize` needs, which is nothing."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> EdgeImpulseRetryPolicy:
        """Make the policy again."""
        return cls()
