"""Hook methods for the model of a project: test it, keep a version, build it and download the build."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError, EdgeImpulseNotFoundError, EdgeImpulseQualityError
from airflow_provider_ei.hooks.interruptible import interruptible
from airflow_provider_ei.hooks.job_calls import JobCalls

if TYPE_CHECKING:
    from airflow_provider_ei.jobs.builds import BuildOrder
    from airflow_provider_ei.results import BuildResult, ModelTestResult, VersionResult
    from airflow_provider_ei.studio.api.deployments import DeploymentsApi, DeploymentTarget
    from airflow_provider_ei.studio.api.model_tests import ModelTestsApi
    from airflow_provider_ei.studio.api.versions import VersionsApi

log = logging.getLogger(__name__)


class ProjectModelCalls(JobCalls):
    """Calls for the model of a project. A subclass says which project.

    In a task whose worker may be lost, use the operators, which find their jobs again.
    """

    @property
    def project_id(self) -> int:
        """The project."""
        raise NotImplementedError

    @property
    def model_tests_api(self) -> ModelTestsApi:
        """The operations that test the model."""
        from airflow_provider_ei.studio.api.model_tests import ModelTestsApi

        return ModelTestsApi(self.client, self.project_id)

    @property
    def versions_api(self) -> VersionsApi:
        """The operations on the project's versions."""
        from airflow_provider_ei.studio.api.versions import VersionsApi

        return VersionsApi(self.client, self.project_id)

    @property
    def deployments_api(self) -> DeploymentsApi:
        """The operations on the project's builds."""
        from airflow_provider_ei.studio.api.deployments import DeploymentsApi

        return DeploymentsApi(self.client, self.project_id)

    @interruptible
    def test_model(
        self,
        variant: str = "int8",
        *,
        min_accuracy: float | None = None,
        min_samples: int | None = None,
        min_accuracy_by_class: float | Mapping[str, float] | None = None,
        max_drop: float | None = None,
        last_accuracy: float | None = None,
        impulse_id: int | str | None = None,
        poll_interval: float = 10.0,
        timeout: float | None = None,
    ) -> ModelTestResult:
        """Test the model with the project's test set, wait, and accept it or not.

        The operations are ``startClassifyJob``, ``getClassifyMetricsAllVariants`` and ``getClassifyJobResult``.
        Accuracies are numbers from 0 to 1.

        :param variant: the variant of the model, such as ``int8`` or ``float32``.
        :param min_accuracy: the lowest accuracy that is accepted.
        :param min_samples: how many samples must have been classified, right or wrong.
        :param min_accuracy_by_class: the lowest accuracy of each class; or a dict with limits for some.
        :param max_drop: how far the accuracy may be below ``last_accuracy``.
        :param last_accuracy: the accuracy of the last model that was accepted; None when there is none.
        :param impulse_id: the impulse; None for the project's default impulse.
        :param poll_interval: seconds between the first two looks at the job; later intervals are longer.
        :param timeout: seconds after which the job is cancelled; None for no limit.
        :return: see :class:`~airflow_provider_ei.results.ModelTestResult`.
        :raises EdgeImpulseQualityError: when the model is not accepted.
        :raises EdgeImpulseJobError: when the job ends without success; quotes the end of its log.
        """
        from airflow_provider_ei.jobs.model_quality import NO_RESULTS, read_quality
        from airflow_provider_ei.jobs.quality_gate import QualityLimits, quality_error, quality_json
        from airflow_provider_ei.numeric import whole_number

        impulse = whole_number("impulse_id", impulse_id)
        limits = QualityLimits.read(
            min_accuracy=min_accuracy,
            min_samples=min_samples,
            min_accuracy_by_class=min_accuracy_by_class,
            max_drop=max_drop,
        )
        deadline = None if timeout is None else time.time() + timeout
        for _ in range(2):  # a second time when thresholds were changed after the first test
            result = self._run_job(
                "classify",
                lambda: self.model_tests_api.start_test(variant, impulse),
                wait_for_completion=True,
                poll_interval=poll_interval,
                timeout=None if deadline is None else max(deadline - time.time(), 0.0),
            )
            quality = read_quality(self.model_tests_api, variant, impulse, needs_counts=limits.needs_counts)
            if quality is not None:
                if missed := limits.find_missed(quality, last_accuracy):
                    raise quality_error(quality, missed)
                measured = quality_json(quality, limits, last_accuracy, accepted=True)
                return {**result, **measured}  # type: ignore[typeddict-item]
        raise EdgeImpulseQualityError(NO_RESULTS)

    @interruptible
    def create_version(
        self,
        description: str = "",
        *,
        wait_for_completion: bool = True,
        poll_interval: float = 10.0,
        timeout: float | None = None,
    ) -> VersionResult:
        """Create a version of the project, which is not public, and wait (``startVersionJob``, ``listVersions``).

        :param description: for people; a token is added to it.
        :param wait_for_completion: False: return as soon as the job is started.
        :param poll_interval: seconds between the first two looks at the job; later intervals are longer.
        :param timeout: seconds after which the job is cancelled; None for no limit.
        :return: see :class:`~airflow_provider_ei.results.VersionResult`.
        :raises EdgeImpulseJobError: when the job ends without success; quotes the end of its log.
        """
        from airflow_provider_ei.jobs.version_token import describe_version

        token = secrets.token_hex(8)
        described = describe_version(description, ("create_version",), token)
        result = self._run_job(
            "version",
            lambda: self.versions_api.start_version(described),
            wait_for_completion=wait_for_completion,
            poll_interval=poll_interval,
            timeout=timeout,
        )
        if not wait_for_completion:
            return {**result}  # type: ignore[typeddict-item]
        return {**result, "version": self.find_version(token), "description": described}

    def find_version(self, token: str, since: int = 0) -> int | None:
        """Return the number of the newest version that carries a token (``listVersions``).

        :param token: a part of its description.
        :param since: the number of the newest one that was there before.
        :return: None when there is none, or the service does not list versions.
        """
        from airflow_provider_ei.jobs.version_token import find_version

        try:
            found = find_version(self.versions_api.list_versions(), token, since)
        except EdgeImpulseNotFoundError:
            return None
        return None if found is None else found.version

    @interruptible
    def list_deployment_targets(self, impulse_id: int | str | None = None) -> list[DeploymentTarget]:
        """List the targets that the model can be built for, and those that are disabled, with the reason.

        The operation is ``listDeploymentTargetsForProject``.

        :param impulse_id: the impulse; None for the project's default impulse.
        """
        from airflow_provider_ei.numeric import whole_number

        return self.deployments_api.list_targets(whole_number("impulse_id", impulse_id))

    @interruptible
    def build_model(
        self,
        target: str,
        path: str,
        *,
        engine: str | None = None,
        model_type: str = "int8",
        impulse_id: int | str | None = None,
        poll_interval: float = 10.0,
        timeout: float | None = None,
    ) -> BuildResult:
        """Build the model for a target, wait, and download the build.

        The operations are ``listDeploymentTargetsForProject``, ``getLastDeploymentBuild``, ``buildOnDeviceModelJob``
        and ``downloadHistoricDeployment``; for older services ``downloadBuild``.

        :param target: the format of the target, such as ``zip`` for a C++ library.
        :param path: where to save the file: an absolute path or a URI. One that ends with a slash is a directory.
        :param engine: the inference engine; None for the one that the target prefers.
        :param model_type: the variant of the model, such as ``int8`` or ``float32``.
        :param impulse_id: the impulse; None for the project's default impulse.
        :param poll_interval: seconds between the first two looks at the job; later intervals are longer.
        :param timeout: seconds after which the job is cancelled; None for no limit.
        :return: see :class:`~airflow_provider_ei.results.BuildResult`.
        :raises EdgeImpulseInputError: when the model cannot be built for that target; lists what can.
        :raises EdgeImpulseJobError: when the job ends without success; quotes the end of its log.
        :raises EdgeImpulseJobConflictError: when nobody can tell which build is the own one.
        """
        from airflow_provider_ei.jobs.builds import BuildOrder, notes_before, start_build
        from airflow_provider_ei.numeric import whole_number

        order = BuildOrder(target, engine, model_type, whole_number("impulse_id", impulse_id))
        notes = notes_before(self.deployments_api, order)
        result = self._run_job(
            "build",
            lambda: start_build(self.deployments_api, order, notes),
            wait_for_completion=True,
            poll_interval=poll_interval,
            timeout=timeout,
        )
        return {**result, **self._save_build(result["job_id"], order, notes, path)}  # type: ignore[typeddict-item]

    @interruptible
    def save_build(self, job_id: int, order: BuildOrder, notes: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Download the build of a job that has succeeded, and save it.

        :param job_id: id of the job.
        :param order: what the job has built.
        :param notes: what was noted about the build before and after its start.
        :param path: where to save the file; see :meth:`build_model`.
        :return: the fields of :class:`~airflow_provider_ei.results.BuildResult` about the build and its file.
        :raises EdgeImpulseJobConflictError: when nobody can tell which build is that of the job.
        """
        return self._save_build(job_id, order, notes, path)

    def _save_build(self, job_id: int, order: BuildOrder, notes: Mapping[str, Any], path: str) -> dict[str, Any]:
        from airflow_provider_ei.destinations import incoming_file
        from airflow_provider_ei.hooks.stores import open_store
        from airflow_provider_ei.jobs.builds import MAX_JSON_BYTES, BuildDownload, check_firmware

        if not isinstance(path, str):
            raise EdgeImpulseInputError(f"path must be a path or a URI, not {path!r}.")
        download = BuildDownload(self.deployments_api, self.jobs_api, self.project_id, job_id, order, notes)
        with incoming_file("path", path, open_store) as (file, save):
            version = download.run(file.begin)
            check_firmware(file.size, file.read_beginning(MAX_JSON_BYTES))
            self.check_cancelled()
            saved = save(download.file_name)
        log.info("Build %d of job %d was saved as %s: %d bytes.", version, job_id, saved, file.size)
        return {
            "deployment_version": version,
            "target": order.target,
            "engine": download.engine,
            "model_type": order.model_type,
            "path": saved,
            "size_bytes": file.size,
            "sha256": file.sha256,
        }
