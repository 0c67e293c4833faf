"""The operator that builds a project's model for a target, and downloads the build."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.numeric import whole_number
from airflow_provider_ei.operators.arguments import read_name
from airflow_provider_ei.operators.asset_events import emit_file_events
from airflow_provider_ei.operators.project_job import EdgeImpulseProjectJobOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
    from airflow_provider_ei.results import BuildResult


class EdgeImpulseBuildModelOperator(EdgeImpulseProjectJobOperator):
    """Build a model for a target, wait, and download exactly that build.

    The operations are ``listDeploymentTargetsForProject``, ``getLastDeploymentBuild``, ``buildOnDeviceModelJob`` and
    ``downloadHistoricDeployment``; for older services ``downloadBuild``. The file is there whole or not at all. When
    the download fails, a retry downloads the same build, without building again (Airflow 3.3 and newer).

    The result becomes the extra of the asset events of the task's outlets. An ``AssetAlias`` gets an event for the
    file.

    :param target: the format of the target, such as ``zip`` for a C++ library; the hook's
        :meth:`~airflow_provider_ei.hooks.project_models.ProjectModelCalls.list_deployment_targets` lists them.
    :param path: where to save the file: an absolute path or a URI (``s3://conn_id@bucket/key``). In one that ends with
        a slash, the file gets the name that the service gives it. A file that is there is replaced.
    :param engine: the inference engine, such as ``tflite-eon``; None for the one that the target prefers.
    :param model_type: the variant of the model, such as ``int8`` or ``float32``.
    :param impulse_id: the impulse; None for the project's default impulse.
    :return: the build, and the path, size and SHA-256 of its file; see
        :class:`~airflow_provider_ei.results.BuildResult`. With ``wait_for_completion=False``, nothing is downloaded.
    """

    template_fields: Sequence[str] = (
        "target",
        "path",
        "engine",
        "model_type",
        "impulse_id",
        *EdgeImpulseProjectJobOperator.template_fields,
    )
    job_kind = "build"

    def __init__(
        self,
        *,
        target: str,
        path: str,
        engine: str | None = None,
        model_type: str = "int8",
        impulse_id: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.target = target
        self.path = path
        self.engine = engine
        self.model_type = model_type
        self.impulse_id = impulse_id
        self._make_plain()

    def _check_arguments(self) -> None:
        from airflow_provider_ei.jobs.builds import BuildOrder

        super()._check_arguments()
        self._path = read_name("path", self.path)
        self._order = BuildOrder(
            target=read_name("target", self.target),
            engine=read_name("engine", self.engine) if self.engine else None,
            model_type=read_name("model_type", self.model_type),
            impulse_id=whole_number("impulse_id", self.impulse_id),
        )

    def _prepare_start(self, hook: EdgeImpulseProjectHook) -> None:
        from airflow_provider_ei.jobs.builds import notes_before

        self._notes.update(notes_before(hook.deployments_api, self._order))

    def _start_job(self, hook: EdgeImpulseProjectHook) -> int:
        from airflow_provider_ei.jobs.builds import start_build

        return start_build(hook.deployments_api, self._order, self._notes)

    def _collect_result(self, hook: EdgeImpulseProjectHook, job_id: int, context: Context) -> BuildResult:
        saved = hook.save_build(job_id, self._order, self._notes, self._path)
        result: BuildResult = {**hook.job_result(job_id, "succeeded"), **saved}  # type: ignore[typeddict-item]
        emit_file_events(self.outlets, context, result)
        return result
