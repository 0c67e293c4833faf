"""``edge_impulse_sync``: one dataset sync, shared among the workers of Airflow's executor.

``plan`` looks at both sides and divides what looks new or changed into shards; ``sync_shard`` is mapped over them;
``finish`` looks at everything once more, does what is left, and deletes last. Each reads the source itself, so all
workers need it at the same place, and what passes between the tasks is a few numbers a shard.

When there is nothing to do, the plan has one shard that is empty. A plan without shards would skip ``sync_shard``, and
then ``finish`` could not tell that from an upstream task that was skipped, which has to skip the whole group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import TaskGroup

from airflow_provider_ei.operators.data import EdgeImpulseSyncDatasetOperator
from airflow_provider_ei.operators.run_report import report_result
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
    """Make a dataset hold what a source has, by several tasks at once.

    :param dataset: name of the dataset.
    :param source: path or URI, as for the operator; or
    :param items: list of items, as for the operator.
    :param shards: maximum number of tasks that share the work.
    :param delete: as for the operator; the last task deletes, when all others have succeeded.
    :param max_delete: as for the operator.
    :param skip_unchanged: end the last task as skipped when nothing had to be changed.
    :param outlets: assets; the last task adds the summary of all tasks to their events.
    :param group_id: name of the group, and beginning of its tasks' names.
    :param default_args: of the tasks: retries, queue, pool and so on.
    :param trigger_rule: of the group's first task, ``plan``. The others run when all tasks before them have succeeded.
    :param arguments: the others of
        :class:`~airflow_provider_ei.operators.data.EdgeImpulseSyncDatasetOperator`, but ``dry_run``.
    :return: the group. Its last task, ``finish``, returns the summary of all.
    """
    shared = {"dataset": dataset, "source": source, "items": items, **arguments}
    deletes = {"delete": delete, "max_delete": max_delete}
    with TaskGroup(group_id, default_args=default_args or {}) as group:  # type: ignore[arg-type]
        plan = PlanShardsOperator(task_id="plan", shards=shards, trigger_rule=trigger_rule, **shared, **deletes)
        # Said here, since default_args may say otherwise: nothing may be deleted unless all shards are done.
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
    """A task of the group; all of them belong to one sync."""

    def _default_sync_id(self) -> str:
        return f"{self.dag_id}.{self.task_id.rpartition('.')[0]}"


class PlanShardsOperator(_GroupedOperator):
    """Divides a sync.

    :param shards: how many at most.
    :return: the shards that have anything to do; if none has, one that is empty.
    """

    template_fields: Sequence[str] = (*EdgeImpulseSyncDatasetOperator.template_fields, "shards")

    def __init__(self, *, shards: int | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shards = shards

    def execute(self, context: Context) -> list[dict[str, int]]:
        """Compare source and dataset, and return what the shards are given."""
        with self._working_hook(context) as hook:
            busy = [asdict(shard) for shard in hook.plan_shards(self.shards, **self._arguments(context))]
        return busy or [{}]


class SyncShardOperator(_GroupedOperator):
    """Does one shard.

    :param shard: as the plan has it; without contents, there is nothing to do.
    :return: counts, see :class:`~airflow_provider_ei.results.SyncSummary`.
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
    """Does what is left, deletes, and sums up.

    :param parts: what the shards have returned.
    """

    template_fields: Sequence[str] = (*EdgeImpulseSyncDatasetOperator.template_fields, "parts")

    def __init__(self, *, parts: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = parts

    def _end(self, context: Context, summary: Any, *, skip_unchanged: bool) -> Any:
        total = add_shards(summary, (part for part in self.parts or () if part))
        self._result = total
        return super()._end(context, total, skip_unchanged=skip_unchanged)
