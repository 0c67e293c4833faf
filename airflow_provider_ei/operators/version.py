"""The operator that creates a version of a project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.operators.project_job import EdgeImpulseProjectJobOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
    from airflow_provider_ei.results import VersionResult

#: The name of the note of which versions with the token there were before the start.
_KNOWN_NOTE = "known_versions"


class EdgeImpulseCreateVersionOperator(EdgeImpulseProjectJobOperator):
    """Create a version of a project, which is never public, and wait.

    The operations are ``startVersionJob`` and ``listVersions``. The ids of the DAG, the run and the task, and a token
    made of them, are added to the description, so that the version is found again.

    :param description: for people.
    :return: the number and the description of the version; see :class:`~airflow_provider_ei.results.VersionResult`.
    """

    template_fields: Sequence[str] = ("description", *EdgeImpulseProjectJobOperator.template_fields)
    job_kind = "version"

    def __init__(self, *, description: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.description = description
        self._make_plain()

    def _check_arguments(self) -> None:
        super()._check_arguments()
        if not isinstance(self.description, str):
            raise EdgeImpulseInputError(f"description must be a string, not {self.description!r}.")

    @contextmanager
    def _working(self, context: Context) -> Iterator[Any]:
        from airflow_provider_ei.jobs.version_token import version_token

        task_instance = context.get("ti")
        run_id, map_index = getattr(task_instance, "run_id", None), getattr(task_instance, "map_index", -1)
        self._origin = (self.dag_id, run_id or "no run", self.task_id, *((map_index,) if map_index >= 0 else ()))
        self._token = version_token(*self._origin)
        with super()._working(context) as hook:
            yield hook

    def _prepare_start(self, hook: EdgeImpulseProjectHook) -> None:
        # A task that was cleared has the same token, and creates another version.
        number = hook.find_version(self._token)
        self._notes[_KNOWN_NOTE] = number or 0

    def _start_job(self, hook: EdgeImpulseProjectHook) -> int:
        return hook.versions_api.start_version(self._described())

    def _described(self) -> str:
        from airflow_provider_ei.jobs.version_token import describe_version

        return describe_version(self.description, self._origin, self._token)

    def _collect_result(self, hook: EdgeImpulseProjectHook, job_id: int, context: Context) -> VersionResult:
        version = hook.find_version(self._token, since=self._notes.get(_KNOWN_NOTE, 0))
        if version is None:
            self.log.warning("The number of the version is not known: no version of the project carries its token.")
        result = hook.job_result(job_id, "succeeded")
        return {**result, "version": version, "description": self._described()}
