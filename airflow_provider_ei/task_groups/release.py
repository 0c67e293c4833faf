"""``edge_impulse_release``: from a project's data to firmware.

``retrain`` trains the model again; ``test`` measures it, and accepts it or not; ``approve`` waits for a person, if
asked to; ``version`` keeps the state of the project; ``build`` builds the firmware and downloads it. Each task runs
only if the one before it has succeeded. The last two refuse to start when the model was trained again since its test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, TaskGroup

from airflow_provider_ei.numeric import whole_number
from airflow_provider_ei.operators.arguments import EdgeImpulseArgumentError
from airflow_provider_ei.operators.build import EdgeImpulseBuildModelOperator
from airflow_provider_ei.operators.project_job import EdgeImpulseProjectJobOperator
from airflow_provider_ei.operators.retrain import EdgeImpulseRetrainOperator
from airflow_provider_ei.operators.test_model import EdgeImpulseTestModelOperator
from airflow_provider_ei.operators.version import EdgeImpulseCreateVersionOperator

if TYPE_CHECKING:
    from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook


def edge_impulse_release(
    *,
    target: str,
    path: str,
    engine: str | None = None,
    model_type: str = "int8",
    impulse_id: int | str | None = None,
    min_accuracy: float | str | None = None,
    min_samples: int | str | None = None,
    min_accuracy_by_class: float | str | Mapping[str, float | str] | None = None,
    max_drop: float | str | None = None,
    on_failure: str = "fail",
    approval: bool | Mapping[str, Any] = False,
    description: str = "",
    outlets: Any = None,
    group_id: str = "edge_impulse_release",
    default_args: dict[str, Any] | None = None,
    trigger_rule: str = "all_success",
    **arguments: Any,
) -> TaskGroup:
    """Train a project's model again, test it, and if it is accepted, create a version and build the firmware.

    :param target: the format of the target, as for
        :class:`~airflow_provider_ei.operators.build.EdgeImpulseBuildModelOperator`.
    :param path: where to save the firmware, as for that operator.
    :param engine: the inference engine, as for that operator.
    :param model_type: the variant of the model that is tested and built, such as ``int8`` or ``float32``.
    :param impulse_id: the impulse; None for the project's default impulse.
    :param min_accuracy: a limit, as for
        :class:`~airflow_provider_ei.operators.test_model.EdgeImpulseTestModelOperator`.
    :param min_samples: a limit, as for that operator.
    :param min_accuracy_by_class: limits, as for that operator.
    :param max_drop: a limit, as for that operator.
    :param on_failure: ``fail`` the test, or ``skip`` it and the tasks after it, when the model is not accepted.
    :param approval: wait after the test until a person approves, with Airflow's ``ApprovalOperator`` (Airflow 3.1 and
        newer). If the person rejects, the tasks after it are skipped. A dict has arguments of that operator, such as
        ``assigned_users``.
    :param description: description of the version, for people.
    :param outlets: assets; the result of the build becomes the extra of their events.
    :param group_id: id of the group, and prefix of its tasks' ids.
    :param default_args: default arguments of the tasks: retries, queue, pool and so on.
    :param trigger_rule: trigger rule of the first task, ``retrain``. The others run if the task before has succeeded.
    :param arguments: other arguments of all tasks that run a job, such as ``project_id``,
        ``edge_impulse_project_conn_id``, ``deferrable``, ``timeout`` and ``pool``.
    :return: the group. Its last task, ``build``, returns the path and the SHA-256 of the firmware.
    :raises EdgeImpulseArgumentError: when ``approval`` is given, and Airflow has no operator for it.
    """
    impulse = {"impulse_id": impulse_id, **arguments}
    # Set explicitly, since default_args may differ: nothing may be built that was not accepted.
    after: dict[str, Any] = {"trigger_rule": "all_success", "wait_for_completion": True}
    with TaskGroup(group_id, default_args=default_args or {}) as group:  # type: ignore[arg-type]
        retrain = EdgeImpulseRetrainOperator(
            task_id="retrain", trigger_rule=trigger_rule, wait_for_completion=True, **impulse
        )
        test = EdgeImpulseTestModelOperator(
            task_id="test",
            variant=model_type,
            min_accuracy=min_accuracy,
            min_samples=min_samples,
            min_accuracy_by_class=min_accuracy_by_class,
            max_drop=max_drop,
            on_failure=on_failure,
            **after,
            **impulse,
        )
        # Empty for a test that a user has marked as success, which has no job.
        after["test_job_id"] = f"{{{{ (ti.xcom_pull(task_ids={test.task_id!r}) or {{}}).get('job_id', '') }}}}"
        version = CreateTestedVersionOperator(task_id="version", description=description, **after, **arguments)
        build = BuildTestedModelOperator(
            task_id="build",
            target=target,
            path=path,
            engine=engine,
            model_type=model_type,
            outlets=outlets,
            **after,
            **impulse,
        )
        retrain >> test >> version >> build
        if approval:
            test >> _approval(test.task_id, approval if isinstance(approval, Mapping) else {}) >> version
    return group


class _TestedModelOperator(EdgeImpulseProjectJobOperator):
    """A task of the group that works with the model that was tested.

    :param test_job_id: the job of the test; the task does not start its own job if the model was trained since.
    """

    def __init__(self, *, test_job_id: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.test_job_id = test_job_id

    def _check_arguments(self) -> None:
        super()._check_arguments()
        self._test_job_id = whole_number("test_job_id", self.test_job_id)

    def _prepare_start(self, hook: EdgeImpulseProjectHook) -> None:
        from airflow_provider_ei.jobs.later_training import check_model_is_tested

        if self._test_job_id is not None:
            check_model_is_tested(hook.jobs_api, self._test_job_id)
        super()._prepare_start(hook)


class CreateTestedVersionOperator(_TestedModelOperator, EdgeImpulseCreateVersionOperator):
    """Create a version of the project, if its model is still the one that was tested."""

    template_fields: Sequence[str] = ("test_job_id", *EdgeImpulseCreateVersionOperator.template_fields)


class BuildTestedModelOperator(_TestedModelOperator, EdgeImpulseBuildModelOperator):
    """Build the model, if it is still the one that was tested."""

    template_fields: Sequence[str] = ("test_job_id", *EdgeImpulseBuildModelOperator.template_fields)


def _approval(test_id: str, arguments: Mapping[str, Any]) -> Any:
    """Create the task that waits until a person approves. What the test has measured is shown to them."""
    try:
        from airflow.providers.standard.operators.hitl import ApprovalOperator
    except (ImportError, AirflowException) as error:  # the provider raises the latter on an older Airflow
        raise EdgeImpulseArgumentError(
            "Leave out approval, or run Airflow 3.1 or newer with apache-airflow-providers-standard: this Airflow has "
            f"no ApprovalOperator ({error})."
        ) from None
    tested = f"ti.xcom_pull(task_ids={test_id!r})"
    return ApprovalOperator(
        **{
            "task_id": "approve",
            "subject": "Release the {{ %s.variant }} model of project {{ %s.project_id }}?" % (tested, tested),  # noqa: UP031
            "body": _APPROVAL_BODY.replace("TESTED", tested),
            # It would become the time that the person has, which is response_timeout.
            "execution_timeout": None,
            **arguments,
            "trigger_rule": "all_success",
        }
    )


_APPROVAL_BODY = """\
{% set test = TESTED -%}
{% if test.accuracy is not none %}Accuracy {{ '%.4g' % test.accuracy }}{% else %}No accuracy{% endif -%}
{% if test.samples is not none %} over {{ test.samples }} samples{% endif -%}
{% if test.ignored %}, {{ test.ignored }} ignored because the model does not know their label{% endif -%}
{% if test.last_accuracy is not none %}; the last accepted model has {{ '%.4g' % test.last_accuracy }}{% endif -%}
. [The test]({{ test.url }})
"""
