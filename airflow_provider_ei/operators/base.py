"""What all operators here have in common: a hook that a kill reaches, and errors that Airflow understands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.operators.links import EdgeImpulseDatasetLink
from airflow_provider_ei.operators.run_report import failure_reported

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage


link = EdgeImpulseDatasetLink()


class EdgeImpulseOperator(BaseOperator):
    """Base of the operators.

    :param organization_id: overrides that of the connection.
    :param edge_impulse_conn_id: the Airflow connection.
    """

    ui_color = "#dcefe8"
    operator_extra_links = (link,)

    def __init__(
        self,
        *,
        organization_id: int | str | None = None,
        edge_impulse_conn_id: str = EdgeImpulseHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.organization_id = organization_id
        self.edge_impulse_conn_id = edge_impulse_conn_id
        self._hook: EdgeImpulseHook | None = None
        self._result: object = None  # what is returned

    @contextmanager
    def _working_hook(self, context: Context) -> Iterator[EdgeImpulseHook]:
        """Give the hook of this try, and the task its link.

        :raises AirflowFailException: in the place of an error that no retry can mend.
        :raises EdgeImpulseCancelledError: at the end, when the task was killed.
        """
        self._hook = hook = EdgeImpulseHook(self.edge_impulse_conn_id, organization_id=self.organization_id)
        try:
            with failure_reported(context, self, hook):
                link.persist(context, hook)
                yield hook
        except EdgeImpulseError as error:
            if error.permanent:
                # Its words say all; the frames below it would only push them out of sight.
                raise AirflowFailException(str(error)) from None
            raise
        hook.client.check_cancelled()  # Airflow 3 goes on after on_kill: a killed task must not end as a success

    def _places(self) -> list[str]:
        """Return the paths and URIs that the files come from, for OpenLineage."""
        return []

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Tell OpenLineage what went where; nothing of a task that has not come so far."""
        from airflow_provider_ei.operators.lineage import operator_lineage
        from airflow_provider_ei.operators.results import read_result

        result = read_result(self._result)
        return operator_lineage(self._places(), result) if result else None

    def on_kill(self) -> None:
        """Stop at once; what is half-done stays pending, and the next try completes it."""
        if self._hook is not None:
            self._hook.cancel()
