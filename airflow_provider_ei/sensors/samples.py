"""A sensor that waits for samples of a project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.polling.samples_criteria import SamplesCriteria
from airflow_provider_ei.sensors.criteria import CriteriaSensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_ei.triggers.samples import EdgeImpulseSamplesTrigger


class EdgeImpulseSamplesSensor(CriteriaSensor):
    """Wait until a project has enough samples, in all or of each label.

    :param at_least: number of samples to wait for; or a number for each label, such as ``{"idle": 50, "wave": 50}``.
    :param category: count the samples of this category: ``training``, ``testing`` or ``anomaly``.
    :param project_id: overrides that of the connection.
    :param edge_impulse_project_conn_id: the Airflow connection.
    :param deferrable: wait in the triggerer, without a worker. All other arguments mean the same as without it.
    """

    template_fields: Sequence[str] = ("at_least", "category", "project_id", "edge_impulse_project_conn_id")

    def __init__(
        self,
        *,
        at_least: int | str | Mapping[str, int] = 1,
        category: str = "training",
        project_id: int | str | None = None,
        edge_impulse_project_conn_id: str = EdgeImpulseProjectHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.at_least = at_least
        self.category = category
        self.project_id = project_id
        self.edge_impulse_project_conn_id = edge_impulse_project_conn_id
        self._make_plain()

    def _criteria(self) -> SamplesCriteria:
        from airflow_provider_ei.sources.literals import parse_literal

        at_least: Any = self.at_least
        if isinstance(at_least, str) and "{" in at_least:  # a template that rendered to a dict
            at_least = parse_literal(at_least, "at_least")
        return SamplesCriteria(at_least, self.category)

    def _create_trigger(self, **arguments: Any) -> EdgeImpulseSamplesTrigger:
        from airflow_provider_ei.triggers.samples import EdgeImpulseSamplesTrigger

        return EdgeImpulseSamplesTrigger(
            project_id=self.project_id,
            edge_impulse_project_conn_id=self.edge_impulse_project_conn_id,
            **arguments,
        )

    def _create_hook(self) -> EdgeImpulseProjectHook:  # type: ignore[override]
        hook = self._hook = EdgeImpulseProjectHook(self.edge_impulse_project_conn_id, self.project_id)
        return hook
