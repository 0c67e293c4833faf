"""Operators that upload samples to a project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_ei.hooks.best_effort import best_effort
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.operators.asset_events import emit_project_events
from airflow_provider_ei.operators.base import EdgeImpulseTask, airflow_errors
from airflow_provider_ei.operators.links import EdgeImpulseProjectDataLink
from airflow_provider_ei.operators.templates import AuthoredTemplates, has_item_templates, render_for_item

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_ei.results import UploadSamplesResult
    from airflow_provider_ei.samples.sample_file import FileContext

link = EdgeImpulseProjectDataLink()


class EdgeImpulseUploadSamplesOperator(AuthoredTemplates, EdgeImpulseTask, BaseOperator):
    """Upload files that upstream tasks produced as samples of a project.

    A task that is retried, cleared or triggered again adds nothing twice. A sample whose content is there with another
    label, category or metadata is changed. A file that the service refuses is named in the error at the end; all others
    are there by then, and a retry sends only what is left.

    All arguments are template fields, and accept XComArgs and ``.expand()`` / ``.expand_kwargs()``. Templates in
    ``sample_label`` and ``metadata`` that use ``file`` are rendered for each file: ``{{ file.folder }}``,
    ``{{ file.name }}``, ``{{ file.stem }}``, ``{{ file.path }}``.

    :param files: a path or URI, a directory, a glob, ``{"path", "name"?, "label"?, "metadata"?, "category"?,
        "content_type"?}``, a list of these, or a template that renders to one. ``bounding_boxes.labels``,
        ``structured_labels.labels`` and ``info.labels`` among them apply to the files next to them.
    :param category: ``training``, ``testing``, ``split`` (the service chooses one of the two) or ``anomaly``.
    :param sample_label: the label of all files that have none of their own; None: the service derives it from each
        file's name. (Airflow's tasks have a ``label`` already.)
    :param metadata: a flat dict, or a template that renders to one.
    :param if_exists: what to do with a sample that has the content of a file and another label, category or metadata:
        ``update``, ``skip`` or ``fail``.
    :param workers: how many requests to send at once, 1 to 64.
    :param project_id: overrides that of the connection.
    :param edge_impulse_project_conn_id: the Airflow connection.
    :return: counts; see :class:`~airflow_provider_ei.results.UploadSamplesResult`.
    """

    template_fields: Sequence[str] = (
        "files",
        "category",
        "sample_label",
        "metadata",
        "if_exists",
        "workers",
        "project_id",
        "edge_impulse_project_conn_id",
    )
    template_fields_renderers = {"files": "json", "metadata": "json"}
    collection_fields = frozenset({"files", "metadata"})
    item_fields = frozenset({"sample_label", "metadata"})
    item_variable = "file"
    operator_extra_links = (link,)
    _result: UploadSamplesResult | None = None

    def __init__(
        self,
        *,
        files: Any,
        category: str = "training",
        sample_label: str | None = None,
        metadata: dict[str, Any] | str | None = None,
        if_exists: str = "update",
        workers: int | str = 8,
        project_id: int | str | None = None,
        edge_impulse_project_conn_id: str = EdgeImpulseProjectHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.files = files
        self.category = category
        self.sample_label = sample_label
        self.metadata = metadata
        self.if_exists = if_exists
        self.workers = workers
        self.project_id = project_id
        self.edge_impulse_project_conn_id = edge_impulse_project_conn_id
        self._make_plain()

    def execute(self, context: Context) -> Any:
        """Upload the files, and return what was done.

        :raises AirflowFailException: for a permanent error.
        :raises EdgeImpulseError: for a transient error; Airflow retries, and the retry sends only what is left.
        """
        with self._working_hook(context) as hook:
            result = self._upload(hook, context, self.files)
        return self._end(context, result)

    def _upload(self, hook: EdgeImpulseProjectHook, context: Context, files: Any) -> UploadSamplesResult:
        return hook.upload_samples(
            files=files,
            category=self.category,
            sample_label=self._for_each_file("sample_label", self.sample_label, context),
            metadata=self._for_each_file("metadata", self.metadata, context),
            if_exists=self.if_exists,
            workers=self.workers,
        )

    def _end(self, context: Context, result: UploadSamplesResult) -> UploadSamplesResult:
        self._result = result
        emit_project_events(self.outlets, context, result)
        return result

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

    # --- running ------------------------------------------------------------------------------------------

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
