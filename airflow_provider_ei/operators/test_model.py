"""The operator that tests a project's model, and accepts it or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_ei.exceptions import EdgeImpulseInputError, EdgeImpulseQualityError
from airflow_provider_ei.numeric import whole_number
from airflow_provider_ei.operators.arguments import read_choice, read_name
from airflow_provider_ei.operators.project_job import EdgeImpulseProjectJobOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
    from airflow_provider_ei.results import ModelTestResult

#: The name of the note that the test is a second one, with the id of the first one's job.
_REPEATED_NOTE = "repeats_job"


class EdgeImpulseTestModelOperator(EdgeImpulseProjectJobOperator):
    """Test a model with the project's test set, wait, and accept it or not.

    The operations are ``startClassifyJob``, ``getClassifyMetricsAllVariants`` and ``getClassifyJobResult``. Without any
    limit, the task only measures. Accuracies are numbers from 0 to 1, whatever the service counts in.

    :param variant: the variant of the model to test, such as ``int8`` or ``float32``. Test the one that you build.
    :param min_accuracy: the lowest accuracy that is accepted.
    :param min_samples: how many samples must have been classified, right or wrong. Samples whose label the model does
        not know are ignored in the accuracy, and do not count here.
    :param min_accuracy_by_class: the lowest accuracy of each class of the test set; or a dict with limits for some.
    :param max_drop: how far the accuracy may be below that of the last accepted model. That is what this task has
        returned in the last DAG run, not later than this one, in which it has succeeded, for the same project and
        variant. It does not apply to the first run.
    :param on_failure: ``fail`` the task without retries, or ``skip`` it, when the model is not accepted.
    :param impulse_id: the impulse; None for the project's default impulse.
    :return: what was measured; see :class:`~airflow_provider_ei.results.ModelTestResult`.
    """

    template_fields: Sequence[str] = (
        "variant",
        "min_accuracy",
        "min_samples",
        "min_accuracy_by_class",
        "max_drop",
        "on_failure",
        "impulse_id",
        *EdgeImpulseProjectJobOperator.template_fields,
    )
    template_fields_renderers = {"min_accuracy_by_class": "json"}
    collection_fields = frozenset({"min_accuracy_by_class"})
    job_kind = "classify"

    def __init__(
        self,
        *,
        variant: str = "int8",
        min_accuracy: float | str | None = None,
        min_samples: int | str | None = None,
        min_accuracy_by_class: float | str | Mapping[str, float | str] | None = None,
        max_drop: float | str | None = None,
        on_failure: str = "fail",
        impulse_id: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.variant = variant
        self.min_accuracy = min_accuracy
        self.min_samples = min_samples
        self.min_accuracy_by_class = min_accuracy_by_class
        self.max_drop = max_drop
        self.on_failure = on_failure
        self.impulse_id = impulse_id
        self._repeats: int | None = None
        self._make_plain()

    def _check_arguments(self) -> None:
        from airflow_provider_ei.jobs.quality_gate import QualityLimits

        super()._check_arguments()
        self._variant = read_name("variant", self.variant)
        self._impulse_id = whole_number("impulse_id", self.impulse_id)
        self._on_failure = read_choice("on_failure", self.on_failure, ("fail", "skip"))
        self._limits = QualityLimits.read(
            min_accuracy=self.min_accuracy,
            min_samples=self.min_samples,
            min_accuracy_by_class=self.min_accuracy_by_class,
            max_drop=self.max_drop,
        )
        if self._limits.any and not self.wait_for_completion:
            raise EdgeImpulseInputError(
                "Leave out wait_for_completion=False, or all limits: the model cannot be accepted before it is tested."
            )

    def _prepare_start(self, hook: EdgeImpulseProjectHook) -> None:
        if self._repeats is not None:
            self._notes[_REPEATED_NOTE] = self._repeats

    def _start_job(self, hook: EdgeImpulseProjectHook) -> int:
        return hook.model_tests_api.start_test(self._variant, self._impulse_id)

    def _collect_result(self, hook: EdgeImpulseProjectHook, job_id: int, context: Context) -> ModelTestResult:
        from airflow_provider_ei.jobs.model_quality import NO_RESULTS, read_quality
        from airflow_provider_ei.jobs.quality_gate import describe, quality_error, quality_json

        quality = read_quality(
            hook.model_tests_api, self._variant, self._impulse_id, needs_counts=self._limits.needs_counts
        )
        if quality is None:
            if self._notes.get(_REPEATED_NOTE) not in (None, job_id):
                raise EdgeImpulseQualityError(NO_RESULTS)
            again: ModelTestResult = self._test_again(job_id, context)
            return again
        last_accuracy = self._last_accuracy(hook, context)
        missed = self._limits.find_missed(quality, last_accuracy)
        measured = quality_json(quality, self._limits, last_accuracy, accepted=not missed)
        result: ModelTestResult = {**hook.job_result(job_id, "succeeded"), **measured}  # type: ignore[typeddict-item]
        self.log.info("The %s model was tested: %s.", quality.variant, describe(quality))
        if missed:
            self._result = result  # for the report
            error = quality_error(quality, missed)
            raise AirflowSkipException(str(error)) if self._on_failure == "skip" else error
        return result

    def _test_again(self, job_id: int, context: Context) -> Any:
        """Test once more, since thresholds were changed after the test."""
        from airflow_provider_ei.operators.job_base import JOB_ID_KEY

        self.log.warning("The model is tested again: thresholds were changed after the test, job %d.", job_id)
        self._repeats = job_id
        again = self.submit_job(context)
        self._store(context).set(JOB_ID_KEY, again)
        return self._start_and_defer(context) if self.deferrable else self.poll_until_complete(again, context)

    def _last_accuracy(self, hook: EdgeImpulseProjectHook, context: Context) -> float | None:
        """Return the accuracy of the last model that this task has accepted, in this run or an earlier one."""
        task_instance = context.get("ti")
        if self._limits.max_drop is None or task_instance is None:
            return None
        last = task_instance.xcom_pull(
            task_ids=self.task_id, map_indexes=task_instance.map_index, include_prior_dates=True
        )
        same = {"project_id": hook.project_id, "variant": self._variant}
        if isinstance(last, Mapping) and all(last.get(key) == value for key, value in same.items()):
            accuracy = last.get("accuracy")
            if isinstance(accuracy, int | float) and not isinstance(accuracy, bool):
                return float(accuracy)
        self.log.info("max_drop does not apply: no earlier run of this task has accepted a model of this kind.")
        return None
