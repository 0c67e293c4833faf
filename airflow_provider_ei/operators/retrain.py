"""The operator that trains a project's model again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.numeric import whole_number
from airflow_provider_ei.operators.project_job import EdgeImpulseProjectJobOperator

if TYPE_CHECKING:
    from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook


class EdgeImpulseRetrainOperator(EdgeImpulseProjectJobOperator):
    """Train a project's model again with the last known parameters, and wait until that has succeeded.

    The project must have been trained once before, in Studio.

    :param impulse_id: the impulse; None for the project's default impulse.
    :return: the job's id and its page; see :class:`~airflow_provider_ei.results.JobResult`.
    """

    template_fields: Sequence[str] = ("impulse_id", *EdgeImpulseProjectJobOperator.template_fields)
    job_kind = "retrain"

    def __init__(self, *, impulse_id: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.impulse_id = impulse_id
        self._make_plain()

    def _check_arguments(self) -> None:
        super()._check_arguments()
        self._impulse_id = whole_number("impulse_id", self.impulse_id)

    def _start_job(self, hook: EdgeImpulseProjectHook) -> int:
        return hook.project_api.start_retrain(self._impulse_id)
