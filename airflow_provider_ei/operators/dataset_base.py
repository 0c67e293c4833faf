"""Base of the operators that write to a dataset: its link, its lineage, and the report for Airflow's page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.hooks.best_effort import best_effort
from airflow_provider_ei.operators.base import EdgeImpulseOperator
from airflow_provider_ei.operators.links import EdgeImpulseDatasetLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook

link = EdgeImpulseDatasetLink()


class EdgeImpulseDatasetOperator(EdgeImpulseOperator):
    """Base operator for uploads and syncs.

    :param dataset: name of the dataset.
    """

    operator_extra_links = (link,)
    dataset: str
    _result: object = None  # what the task returns

    @contextmanager
    def _observed(self, context: Context, hook: EdgeImpulseHook) -> Iterator[None]:
        from airflow_provider_ei.operators.run_report import failure_reported

        with failure_reported(context, self, hook):
            # Without an id in the arguments or the connection, a request finds it; arguments are checked before that.
            linked = hook.given_organization_id is not None
            if linked:
                self._link(context, hook)
            try:
                yield
            finally:
                if not linked and "organization_id" in vars(hook):
                    self._link(context, hook)

    def _report(self, context: Context, returned: object) -> None:
        """Push the report of what the task returns, for Airflow's page."""
        from airflow_provider_ei.operators.run_report import report_result

        report_result(context, returned)

    def _link(self, context: Context, hook: EdgeImpulseHook) -> None:
        with best_effort("The link to Edge Impulse Studio"):
            link.persist(context, hook)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return the lineage of a finished task; None when it uploaded nothing."""
        with best_effort("OpenLineage"):
            from airflow_provider_ei.operators.openlineage import operator_lineage
            from airflow_provider_ei.results import read_result

            result = read_result(self._result)
            uris = self._hook.source_uris if self._hook is not None else ()
            return operator_lineage(uris, result) if result else None
        return None
