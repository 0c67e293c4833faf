"""Base of the operators that bring samples into a project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_ei.hooks.best_effort import best_effort
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.operators.base import EdgeImpulseTask, airflow_errors
from airflow_provider_ei.operators.links import EdgeImpulseProjectDataLink
from airflow_provider_ei.operators.templates import AuthoredTemplates, has_item_templates, render_for_item

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_ei.results import SampleSyncSummary, UploadSamplesResult
    from airflow_provider_ei.samples.sample_file import FileContext

link = EdgeImpulseProjectDataLink()


class EdgeImpulseSamplesOperator(AuthoredTemplates, EdgeImpulseTask, BaseOperator):
    """Base operator of a project's samples: cancellable hook, link to the data, lineage, metadata for each file.

    :param project_id: overrides that of the connection.
    :param edge_impulse_project_conn_id: the Airflow connection.
    """

    item_variable = "file"
    operator_extra_links = (link,)
    _result: UploadSamplesResult | SampleSyncSummary | None = None

    def __init__(
        self,
        *,
        project_id: int | str | None = None,
        edge_impulse_project_conn_id: str = EdgeImpulseProjectHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.project_id = project_id
        self.edge_impulse_project_conn_id = edge_impulse_project_conn_id

    def _for_each_file(self, field: str, value: Any, context: Context) -> Any:
        """Return a rendered value, or a function that renders it for each file."""
        from airflow_provider_ei.sources.literals import parse_literal

        def literal(rendered: Any) -> Any:
            is_text = field == "metadata" and isinstance(rendered, str)
            return parse_literal(rendered, field) if is_text else rendered

        if not has_item_templates(value):
            return literal(value)

        def for_file(file: FileContext) -> Any:
            return literal(render_for_item(field, value, context, file, self.item_variable))

        render: Callable[[FileContext], Any] = for_file
        return render

    def _create_hook(self) -> EdgeImpulseProjectHook:  # type: ignore[override]
        hook = self._hook = EdgeImpulseProjectHook(self.edge_impulse_project_conn_id, self.project_id)
        return hook

    @contextmanager
    def _working_hook(self, context: Context) -> Iterator[EdgeImpulseProjectHook]:
        """Yield the hook of this try.

        :raises AirflowFailException: instead of an error that a retry cannot change.
        :raises EdgeImpulseCancelledError: when the task was killed, whether before, during or at the end of the work.
        """
        hook = self._create_hook()
        try:
            with airflow_errors():
                self._check_killed()
                # Without an id in the arguments or the connection, a request finds it; arguments are checked before.
                linked = hook.given_project_id is not None
                if linked:
                    self._link(context, hook)
                try:
                    yield hook
                finally:
                    if not linked and "project_id" in vars(hook):
                        self._link(context, hook)
                self._check_killed()  # Airflow 3 continues after on_kill: a killed task must not succeed
        finally:
            hook.close()

    def _link(self, context: Context, hook: EdgeImpulseProjectHook) -> None:
        with best_effort("The link to Edge Impulse Studio"):
            link.persist(context, hook.data_url)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return the lineage of a finished task; None when it uploaded nothing."""
        with best_effort("OpenLineage"):
            from airflow_provider_ei.operators.openlineage import project_lineage

            uris = self._hook.source_uris if self._hook is not None else ()
            return project_lineage(uris, self._result) if self._result else None
        return None
