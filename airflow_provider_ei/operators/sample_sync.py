"""The operator that keeps the samples of a project in step with a folder or bucket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_ei.operators.arguments import check_mapped_delete, keyword_arguments, read_flag
from airflow_provider_ei.operators.asset_events import emit_project_events
from airflow_provider_ei.operators.samples_base import EdgeImpulseSamplesOperator
from airflow_provider_ei.results import count_changes

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class EdgeImpulseSyncSamplesOperator(EdgeImpulseSamplesOperator):
    """Make the samples of a project equal to the files of a folder or bucket.

    Each file is a sample. Its path says its category and label: ``training/<label>/…``, ``testing/<label>/…`` or
    ``anomaly/<label>/…``. An unchanged project costs one listing request per 1,000 samples; no file is read. Samples
    that were uploaded by hand or by another sync are never deleted.

    All arguments except ``layout`` are template fields. Templates in ``metadata`` that use ``file`` are rendered for
    each file: ``{{ file.folder }}``, ``{{ file.name }}``, ``{{ file.stem }}``, ``{{ file.path }}``.

    The summary becomes the extra of the asset events of the task's outlets.

    :param source: a path or URI (``s3://conn_id@bucket/prefix``).
    :param include: patterns of the files to send, as in ``.gitignore``, relative to the source.
    :param exclude: patterns of the files to leave out, as in ``.gitignore``.
    :param layout: a function that returns the category and the label of a file for its path relative to the source.
    :param metadata: a flat dict for all samples.
    :param delete: ``never``; or ``extra``: delete samples of this sync whose file the source no longer has, once all
        others are up to date and none has failed.
    :param max_delete: limit of the deletions: a number of samples, or a percentage such as ``80%``. By default, and in
        addition to a number, half of the sync's samples.
    :param dry_run: change nothing, and return what would be done.
    :param workers: how many samples to send at once, 1 to 64.
    :param sync_id: identifies the samples of this sync; by default the ids of the DAG and the task.
    :param skip_unchanged: skip the task if nothing was changed.
    :param project_id: overrides that of the connection.
    :param edge_impulse_project_conn_id: the Airflow connection.
    :return: counts and names; see :class:`~airflow_provider_ei.results.SampleSyncSummary`.
    """

    template_fields_renderers = {"include": "json", "exclude": "json", "metadata": "json"}
    collection_fields = frozenset({"include", "exclude", "metadata"})
    item_fields = frozenset({"metadata"})

    # The attributes that this class uses; every argument of its constructor becomes an attribute.
    metadata: Any
    delete: str
    sync_id: str | None
    dry_run: Any
    skip_unchanged: Any

    def __init__(
        self,
        *,
        source: Any,
        include: Sequence[str] | str | None = None,
        exclude: Sequence[str] | str | None = None,
        layout: Callable[[str], tuple[str, str]] | None = None,
        metadata: dict[str, Any] | str | None = None,
        delete: str = "never",
        max_delete: int | str | None = None,
        dry_run: bool | str = False,
        workers: int | str = 8,
        sync_id: str | None = None,
        skip_unchanged: bool | str = False,
        **kwargs: Any,
    ) -> None:
        given = locals()
        super().__init__(**kwargs)
        for name in self.own_arguments:
            setattr(self, name, given[name])
        self._make_plain()

    own_arguments = keyword_arguments(__init__)
    # Airflow calls a function that it finds in a template field.
    template_fields: Sequence[str] = (
        *(name for name in own_arguments if name != "layout"),
        "project_id",
        "edge_impulse_project_conn_id",
    )

    def execute(self, context: Context) -> Any:
        """Sync the samples, and return what was done.

        :raises AirflowSkipException: when nothing was changed and ``skip_unchanged`` is set.
        :raises AirflowFailException: for a permanent error.
        :raises EdgeImpulseError: for a transient error; Airflow retries, and the retry does only what is left.
        """
        with self._working_hook(context) as hook:
            dry_run, skip_unchanged = (
                read_flag(name, getattr(self, name) or False) for name in ("dry_run", "skip_unchanged")
            )
            summary = hook.sync_samples(dry_run=dry_run, **self._arguments(context))
        if dry_run:
            return summary
        self._result = summary
        emit_project_events(self.outlets, context, summary)
        if skip_unchanged and not count_changes(summary):
            raise AirflowSkipException("Nothing has changed.")
        return summary

    def _arguments(self, context: Context) -> dict[str, Any]:
        """Return the arguments for the hook."""
        check_mapped_delete(self.delete, self.sync_id, getattr(context.get("ti"), "map_index", -1), "samples")
        arguments = {name: getattr(self, name) for name in self.own_arguments}
        del arguments["dry_run"], arguments["skip_unchanged"]
        return arguments | {
            "metadata": self._for_each_file("metadata", self.metadata, context),
            "sync_id": self.sync_id or f"{self.dag_id}.{self.task_id}",
        }
