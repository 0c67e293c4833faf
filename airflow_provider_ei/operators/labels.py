"""Labels of mapped tasks: the name of the data item instead of the map index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_ei.hooks.best_effort import best_effort

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

#: Longer labels fail the task when Airflow's database is PostgreSQL.
MAX_LABEL = 250


def label_mapped_task(context: Context, operator: BaseOperator, name: Any) -> None:
    """Label a mapped task with the name of its data item, unless the DAG has a ``map_index_template``.

    Airflow renders the label after the task has ended, and fails the task when that fails.
    """
    with best_effort("The label of the mapped task"):
        if getattr(context.get("ti"), "map_index", -1) < 0 or context.get("map_index_template"):
            return
        label = str(name)
        label = label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 1] + "…"
        context["edge_impulse_name"] = _native(operator, label)  # type: ignore[typeddict-unknown-key]
        context["map_index_template"] = "{{ edge_impulse_name }}"


def _native(operator: BaseOperator, label: str) -> str:
    """Return a template value that renders to the label. With native objects, Airflow would turn 17 into a number."""
    from jinja2.nativetypes import NativeEnvironment

    return repr(label) if isinstance(operator.dag.get_template_env(), NativeEnvironment) else label
