"""Task groups: ``edge_impulse_sync`` and ``edge_impulse_release``.

``edge_impulse_sync`` is one dataset sync, distributed over the workers of Airflow's executor. ``plan`` compares the
source with the dataset and divides new or changed items into shards; ``sync_shard`` is mapped over the shards;
``finish`` compares again, uploads what is left, and deletes last. Each task reads the source itself, so all workers
need it at the same path, and the tasks exchange only a few numbers per shard.

If there is nothing to do, the plan has one empty shard. A plan without shards would skip ``sync_shard``, and ``finish``
could not distinguish that from a skipped upstream task, which must skip the whole group.

``edge_impulse_release`` is the way from new data to firmware: ``retrain``, ``test``, ``approve`` if wanted, ``version``
and ``build``. Each task runs only if the one before it has succeeded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, TaskGroup

from airflow_provider_ei.operators.arguments import EdgeImpulseArgumentError
from airflow_provider_ei.operators.build import EdgeImpulseBuildModelOperator
from airflow_provider_ei.operators.data import EdgeImpulseSyncDatasetOperator
from airflow_provider_ei.operators.retrain import EdgeImpulseRetrainOperator
from airflow_provider_ei.operators.run_report import report_result
from airflow_provider_ei.operators.test_model import EdgeImpulseTestModelOperator
from airflow_provider_ei.operators.version import EdgeImpulseCreateVersionOperator
from airflow_provider_ei.results import add_shards, shard_counts

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def edge_impulse_sync(
    *,
    dataset: str,
    source: Any = None,
    items: Any = None,
    shards: int | str = 4,
    delete: str = "never",
    max_delete: int | str | None = None,
    skip_unchanged: bool | str = False,
    outlets: Any = None,
    group_id: str = "edge_impulse_sync",
    default_args: dict[str, Any] | None = None,
    trigger_rule: str = "all_success",
    **arguments: Any,
) -> TaskGroup:
    """Make a dataset equal to a source, with several tasks in parallel.

    :param dataset: name of the dataset.
    :param source: a path or URI, as for the operator; or
    :param items: a list of items, as for the operator.
    :param shards: maximum number of tasks that share the work.
    :param delete: as for the operator; the last task deletes, after all other tasks have succeeded.
    :param max_delete: as for the operator.
    :param skip_unchanged: skip the last task if nothing was changed.
    :param outlets: assets; the last task adds the summary of all tasks to their events.
    :param group_id: id of the group, and prefix of its tasks' ids.
    :param default_args: default arguments of the tasks: retries, queue, pool and so on.
    :param trigger_rule: trigger rule of the first task, ``plan``. The others run if all tasks before them succeeded.
    :param arguments: other arguments of
        :class:`~airflow_provider_ei.operators.data.EdgeImpulseSyncDatasetOperator`, except ``dry_run``.
    :return: the group. Its last task, ``finish``, returns the summary of all tasks.
    """
    shared = {"dataset": dataset, "source": source, "items": items, **arguments}
    deletes = {"delete": delete, "max_delete": max_delete}
    with TaskGroup(group_id, default_args=default_args or {}) as group:  # type: ignore[arg-type]
        plan = PlanShardsOperator(task_id="plan", shards=shards, trigger_rule=trigger_rule, **shared, **deletes)
        # Set explicitly, since default_args may differ: nothing may be deleted unless all shards have succeeded.
        shared["trigger_rule"] = "all_success"
        parts = SyncShardOperator.partial(task_id="sync_shard", **shared).expand(shard=plan.output)
        finish = FinishSyncOperator(
            task_id="finish",
            parts=parts.output,
            skip_unchanged=skip_unchanged,
            outlets=outlets,
            **shared,
            **deletes,
        )
        plan >> finish
    return group


class _GroupedOperator(EdgeImpulseSyncDatasetOperator):
    """A task of the group. All tasks of the group have the same sync id."""

    def _default_sync_id(self) -> str:
        return f"{self.dag_id}.{self.task_id.rpartition('.')[0]}"


class PlanShardsOperator(_GroupedOperator):
    """Divide a sync into shards.

    :param shards: the maximum number of shards.
    :return: the shards that have changes; if there are none, one empty shard.
    """

    template_fields: Sequence[str] = (*EdgeImpulseSyncDatasetOperator.template_fields, "shards")

    def __init__(self, *, shards: int | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shards = shards

    def execute(self, context: Context) -> list[dict[str, int]]:
        """Compare source and dataset, and return the shards as dicts."""
        with self._working_hook(context) as hook:
            busy = [asdict(shard) for shard in hook.plan_shards(self.shards, **self._arguments(context))]
        return busy or [{}]


class SyncShardOperator(_GroupedOperator):
    """Sync one shard.

    :param shard: the shard as ``plan`` returned it; if it is empty, there is nothing to do.
    :return: counts; see :class:`~airflow_provider_ei.results.SyncSummary`.
    """

    template_fields: Sequence[str] = (*EdgeImpulseSyncDatasetOperator.template_fields, "shard")

    def __init__(self, *, shard: dict[str, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shard = shard

    def execute(self, context: Context) -> dict[str, int]:
        """Sync the items of the shard, and return the counts."""
        if not self.shard:
            return shard_counts(None)
        from airflow_provider_ei.sync.dataset.options import Shard

        with self._working_hook(context) as hook:
            summary = hook.sync_dataset(**self._arguments(context), shard=Shard(**self.shard))
        report_result(context, summary, is_shard=True)
        return shard_counts(summary)


class FinishSyncOperator(_GroupedOperator):
    """Upload what is left, delete extra items, and add up the counts of all shards.

    :param parts: the counts that the shards returned.
    """

    template_fields: Sequence[str] = (*EdgeImpulseSyncDatasetOperator.template_fields, "parts")

    def __init__(self, *, parts: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = parts

    def _end(self, context: Context, summary: Any, *, skip_unchanged: bool) -> Any:
        total = add_shards(summary, (part for part in self.parts or () if part))
        self._result = total
        return super()._end(context, total, skip_unchanged=skip_unchanged)


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

    :param target: the format of the deployment target, as for
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
    :param on_failure: ``fail`` or ``skip`` the test, and with it what follows, when the model is not accepted.
    :param approval: wait until a person approves, by Airflow's ``ApprovalOperator`` (Airflow 3.1 and newer). A dict has
        arguments of that operator, such as ``assigned_users``. What is rejected is skipped.
    :param description: of the version.
    :param outlets: assets; the result of the build becomes the extra of their events.
    :param group_id: id of the group, and prefix of its tasks' ids.
    :param default_args: default arguments of the tasks: retries, queue, pool and so on.
    :param trigger_rule: trigger rule of the first task, ``retrain``. The others run if the task before has succeeded.
    :param arguments: arguments of all four operators: ``project_id``, ``edge_impulse_project_conn_id``, ``deferrable``,
        ``poll_interval``, ``timeout``, ``cancel_on_kill`` and ``durable``.
    :return: the group. Its last task, ``build``, returns the path and the SHA-256 of the firmware.
    :raises EdgeImpulseArgumentError: when an approval is wanted, and this Airflow has no operator for it.
    """
    # Each task needs what the one before has done, so none may end before its job.
    arguments["wait_for_completion"] = True
    with TaskGroup(group_id, default_args=default_args or {}) as group:  # type: ignore[arg-type]
        retrain = EdgeImpulseRetrainOperator(
            task_id="retrain", impulse_id=impulse_id, trigger_rule=trigger_rule, **arguments
        )
        # Set explicitly, since default_args may differ: nothing may be built that was not accepted.
        arguments["trigger_rule"] = "all_success"
        test = EdgeImpulseTestModelOperator(
            task_id="test",
            variant=model_type,
            min_accuracy=min_accuracy,
            min_samples=min_samples,
            min_accuracy_by_class=min_accuracy_by_class,
            max_drop=max_drop,
            on_failure=on_failure,
            impulse_id=impulse_id,
            **arguments,
        )
        version = EdgeImpulseCreateVersionOperator(task_id="version", description=description, **arguments)
        build = EdgeImpulseBuildModelOperator(
            task_id="build",
            target=target,
            path=path,
            engine=engine,
            model_type=model_type,
            impulse_id=impulse_id,
            outlets=outlets,
            **arguments,
        )
        gate = test
        if approval:
            gate = _approval(test.task_id, target, approval if isinstance(approval, Mapping) else {})
            test >> gate
        retrain >> test
        gate >> version >> build
    return group


def _approval(test_id: str, target: str, given: Mapping[str, Any]) -> Any:
    """Create the task in which a person approves the release."""
    try:
        from airflow.providers.standard.operators.hitl import ApprovalOperator
    except (ImportError, AirflowException) as error:
        raise EdgeImpulseArgumentError(
            "Leave out approval, or run Airflow 3.1 or newer with apache-airflow-providers-standard: this Airflow has "
            f"no ApprovalOperator. ({error})"
        ) from None
    tested = f"ti.xcom_pull(task_ids={test_id!r})"
    arguments = {
        "subject": f"Release the tested model for {target}?",
        "body": f"Accuracy {{{{ {tested}['accuracy'] }}}} of the {{{{ {tested}['variant'] }}}} model, "
        f"measured by {{{{ {tested}['url'] }}}}.",
        **given,
    }
    # An execution_timeout in default_args is meant for jobs; here it would limit how long the person may take.
    fixed = {"trigger_rule": "all_success", "execution_timeout": None}
    return ApprovalOperator(task_id="approve", **{**arguments, **fixed})
