"""Operators that upload data to an organization's datasets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.operators.arguments import check_mapped_delete, keyword_arguments, read_flag
from airflow_provider_ei.operators.asset_events import emit_asset_events
from airflow_provider_ei.operators.dataset_base import EdgeImpulseDatasetOperator
from airflow_provider_ei.operators.labels import label_mapped_task
from airflow_provider_ei.operators.templates import evaluated, has_item_templates, render_for_item

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.results import AddDataResult, SyncSummary
    from airflow_provider_ei.sync.dataset.options import GivenMetadata, ItemContext


class EdgeImpulseAddDataOperator(EdgeImpulseDatasetOperator):
    """Upload the files and metadata that upstream tasks produced as one data item.

    A task that is retried, cleared or triggered again leaves exactly one item, and sends nothing when the item is up to
    date. All arguments are template fields, and accept XComArgs and ``.expand()`` / ``.expand_kwargs()``.

    :param name: name of the data item.
    :param dataset: name of the dataset.
    :param files: a path or URI, a directory, a glob, ``{"path", "name"?, "content_type"?}``, a list of these, or a
        template that renders to one.
    :param metadata: a flat dict, or a template that renders to one.
    :param bucket_name: name of the organization's bucket (for a new item).
    :param bucket_id: its id, instead of the name.
    :param bucket_path: directory in the bucket for the files of a new item.
    :param organization_id: overrides the connection's organization.
    :param if_exists: ``update`` (default), ``skip``, ``fail`` or ``overwrite``.
    :param edge_impulse_conn_id: the Airflow connection.
    :return: what was done; see :class:`~airflow_provider_ei.results.AddDataResult`.
    """

    template_fields: Sequence[str] = (
        "name",
        "dataset",
        "files",
        "metadata",
        "bucket_name",
        "bucket_id",
        "bucket_path",
        "organization_id",
        "if_exists",
        "edge_impulse_conn_id",
    )
    template_fields_renderers = {"files": "json", "metadata": "json"}
    collection_fields = frozenset({"files", "metadata"})

    def __init__(
        self,
        *,
        name: str,
        dataset: str,
        files: Any,
        metadata: dict[str, Any] | str | None = None,
        bucket_name: str | None = None,
        bucket_id: int | str | None = None,
        bucket_path: str | None = None,
        if_exists: str = "update",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.dataset = dataset
        self.files = files
        self.metadata = metadata
        self.bucket_name = bucket_name
        self.bucket_id = bucket_id
        self.bucket_path = bucket_path
        self.if_exists = if_exists
        self._make_plain(where=f"Data item {name!r}: ")

    def execute(self, context: Context) -> AddDataResult:
        """Upload the data item, and return what was done.

        :raises AirflowFailException: for a permanent error.
        :raises EdgeImpulseError: for a transient error; Airflow retries.
        """
        label_mapped_task(context, self, self.name)
        with self._working_hook(context) as hook:
            check_files_given(self.name, self.files)
            self._result = result = hook.add_data(**self._arguments(), origin=mapped_origin(context))
        self._report(context, result)
        emit_asset_events(self.outlets, context, result)
        return result

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments for the hook."""
        return {
            "name": self.name,
            "dataset": self.dataset,
            "files": self.files,
            "metadata": self.metadata,
            "bucket_name": self.bucket_name,
            "bucket_id": self.bucket_id,
            "bucket_path": self.bucket_path,
            "if_exists": self.if_exists,
        }


def mapped_origin(context: Context) -> str | None:
    """Return an id of the mapped task and DAG run, ``#``, and the map index; None for a task that is not mapped."""
    ti: Any = context.get("ti")
    if getattr(ti, "map_index", -1) < 0:
        return None
    task = hashlib.sha256("\0".join((ti.dag_id, ti.task_id, ti.run_id)).encode()).hexdigest()[:16]
    return f"{task}#{ti.map_index}"


def check_files_given(name: Any, files: Any) -> None:
    """Check that no upstream task has returned None instead of a file.

    :raises EdgeImpulseInputError: with the position in ``files``.
    """
    missing = ["files"] if files is None else []
    if isinstance(files, Sequence) and not isinstance(files, str):
        missing = [f"files[{number}]" for number, one in enumerate(files) if one is None]
    if missing:
        raise EdgeImpulseInputError(
            f"Data item {name!r}: {missing[0]} is None: the upstream task returned nothing, was skipped, or has not "
            "run yet. Give the path of a file."
        )


def merge_metadata(shared: Any, own: Any) -> Any:
    """Return the metadata of one item, merged over the metadata shared by all items."""
    from airflow_provider_ei.sources.literals import parse_literal

    shared, own = (
        parse_literal(one, "metadata") if isinstance(one, str) else evaluated("metadata", one) for one in (shared, own)
    )
    return {**shared, **own} if isinstance(shared, Mapping) and isinstance(own, Mapping) else own or shared


class EdgeImpulseSyncDatasetOperator(EdgeImpulseDatasetOperator):
    """Make a dataset equal to a folder, a bucket or a list of items from upstream tasks.

    An unchanged dataset costs one listing request per 1,000 items; no file is read. Each folder in the source is a data
    item, named after its relative path. Items that were uploaded by hand or by another sync are never changed or
    deleted.

    All arguments are template fields. Templates in ``metadata`` that use ``item`` are rendered for each data item:
    ``{{ item.name }}``, ``{{ item.file_count }}``, ``{{ item.total_bytes }}``.

    The summary becomes the extra of the asset events of the task's outlets.

    :param dataset: name of the dataset.
    :param source: a path or URI (``s3://conn_id@bucket/prefix``); or
    :param items: a list of ``{"name", "files", "metadata"?}``, for instance from upstream.
    :param include: patterns of the files to send, as in ``.gitignore``, relative to the source.
    :param exclude: patterns of the files to leave out, as in ``.gitignore``.
    :param depth: how many levels below the source the folders of the data items are.
    :param metadata: a flat dict for all items. An item's own metadata take precedence: ``ei-metadata.json`` next to its
        files, or ``metadata`` in ``items``.
    :param folder_separator: replaces ``/`` in the names of the items' files, if the service drops folders.
    :param bucket_name: name of the organization's bucket, for new items; or
    :param bucket_id: its id.
    :param delete: which items of this sync to delete once all others are up to date and none has failed: ``never``:
        none; ``extra``: those that the source no longer has; ``extra-and-excluded``: also those whose files ``include``
        and ``exclude`` all leave out.
    :param max_delete: limit of the deletions: a number of items, or a percentage such as ``80%``. By default, and
        in addition to a number, half of the sync's items.
    :param dry_run: change nothing, and return what would be done.
    :param comparison: ``digest``; or ``size``, which treats files of the same name and size as the same without reading
        them.
    :param workers: how many data items to send at once, 1 to 64.
    :param sync_id: identifies the items of this sync; by default the ids of the DAG and the task.
    :param skip_unchanged: skip the task if nothing was changed.
    :param organization_id: overrides the connection's organization.
    :param edge_impulse_conn_id: the Airflow connection.
    :return: counts and names; see :class:`~airflow_provider_ei.results.SyncSummary`.
    """

    template_fields_renderers = {"items": "json", "include": "json", "exclude": "json", "metadata": "json"}
    collection_fields = frozenset({"items", "include", "exclude", "metadata"})
    item_fields = frozenset({"metadata"})

    # The attributes that this class uses; every argument of its constructor becomes an attribute.
    source: Any
    items: Any
    metadata: Any
    delete: str
    sync_id: str | None
    dry_run: Any
    skip_unchanged: Any

    def __init__(
        self,
        *,
        dataset: str,
        source: Any = None,
        items: Any = None,
        include: Sequence[str] | str | None = None,
        exclude: Sequence[str] | str | None = None,
        depth: int | str = 1,
        metadata: dict[str, Any] | str | None = None,
        folder_separator: str | None = None,
        bucket_name: str | None = None,
        bucket_id: int | str | None = None,
        delete: str = "never",
        max_delete: int | str | None = None,
        dry_run: bool | str = False,
        comparison: str = "digest",
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
        self._metadata_given = metadata is not None

    own_arguments = keyword_arguments(__init__)
    template_fields: Sequence[str] = (*own_arguments, "organization_id", "edge_impulse_conn_id")

    def execute(self, context: Context) -> Any:
        """Sync the dataset, and return what was done.

        :raises AirflowSkipException: when nothing was changed and ``skip_unchanged`` is set.
        :raises AirflowFailException: for a permanent error.
        :raises EdgeImpulseError: for a transient error; Airflow retries, and the retry does only what is left.
        """
        with self._working_hook(context) as hook:
            dry_run, skip_unchanged = (
                read_flag(name, getattr(self, name), empty=False) for name in ("dry_run", "skip_unchanged")
            )
            summary = hook.sync_dataset(dry_run=dry_run, **self._arguments(context))
        self._result = None if dry_run else summary
        if dry_run:
            self._report(context, summary)
        return summary if dry_run else self._end(context, summary, skip_unchanged=skip_unchanged)

    def _end(self, context: Context, summary: SyncSummary, *, skip_unchanged: bool) -> SyncSummary:
        from airflow_provider_ei.results import count_changes

        self._report(context, summary)
        emit_asset_events(self.outlets, context, summary)
        if skip_unchanged and not count_changes(summary):
            raise AirflowSkipException("Nothing has changed.")
        return summary

    def _arguments(self, context: Context) -> dict[str, Any]:
        """Return the arguments for the hook."""
        check_mapped_delete(self.delete, self.sync_id, getattr(context.get("ti"), "map_index", -1), "data items")
        arguments = {name: getattr(self, name) for name in EdgeImpulseSyncDatasetOperator.own_arguments}
        del arguments["dry_run"], arguments["skip_unchanged"]
        return arguments | {
            "metadata": self._metadata(context),
            "sync_id": self.sync_id or self._default_sync_id(),
        }

    def _default_sync_id(self) -> str:
        return f"{self.dag_id}.{self.task_id}"

    def _metadata(self, context: Context) -> GivenMetadata:
        """Return the rendered metadata, or a function that renders them for each data item."""
        from airflow_provider_ei.sources.literals import parse_literal

        if self.metadata is None and self._metadata_given:
            raise EdgeImpulseInputError("metadata is None: the upstream task returned nothing, or has not run yet.")

        def for_item(item: ItemContext) -> Any:
            rendered = render_for_item("metadata", self.metadata, context, item)
            return parse_literal(rendered, "metadata") if isinstance(rendered, str) else rendered

        if has_item_templates(self.metadata):
            return for_item
        return parse_literal(self.metadata, "metadata") if isinstance(self.metadata, str) else self.metadata  # type: ignore[return-value]
