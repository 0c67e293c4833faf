"""``edge_impulse_sync``: one dataset sync, distributed over the workers of Airflow's executor.

``plan`` compares the source with the dataset and divides new or changed items into shards; ``sync_shard`` is mapped
over the shards; ``finish`` compares again, uploads what is left, and deletes last. Each task reads the source itself,
so all workers need it at the same path, and the tasks exchange only a few numbers per shard.

If there is nothing to do, the plan has one empty shard. A plan without shards would skip ``sync_shard``, and ``finish``
could not distinguish that from a skipped upstream task, which must skip the whole group.
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
