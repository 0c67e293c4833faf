"""Operators that upload samples to a project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.operators.asset_events import emit_project_events
from airflow_provider_ei.operators.samples_base import EdgeImpulseSamplesOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
    from airflow_provider_ei.results import UploadSamplesResult


class EdgeImpulseUploadSamplesOperator(EdgeImpulseSamplesOperator):
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

    def __init__(
        self,
        *,
        files: Any,
        category: str = "training",
        sample_label: str | None = None,
        metadata: dict[str, Any] | str | None = None,
        if_exists: str = "update",
        workers: int | str = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.files = files
        self.category = category
        self.sample_label = sample_label
        self.metadata = metadata
        self.if_exists = if_exists
        self.workers = workers
        self._make_plain()
        self._given = {"sample_label": sample_label is not None, "metadata": metadata is not None}

    def execute(self, context: Context) -> Any:
        """Upload the files, and return what was done.

        :raises AirflowFailException: for a permanent error.
        :raises EdgeImpulseError: for a transient error; Airflow retries, and the retry sends only what is left.
        """
        with self._working_hook(context) as hook:
            result = self._upload(hook, context, self.files)
        return self._end(context, result)

    def _upload(self, hook: EdgeImpulseProjectHook, context: Context, files: Any) -> UploadSamplesResult:
        for field, is_given in self._given.items():
            if is_given and getattr(self, field) is None:
                raise EdgeImpulseInputError(f"{field} is None: the upstream task returned nothing, or has not run yet.")
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
