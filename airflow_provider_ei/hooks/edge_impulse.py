"""The hook: uploads data items and syncs datasets, with the key of an Airflow connection."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.hooks.interruptible import interruptible
from airflow_provider_ei.hooks.lineage import report_lineage
from airflow_provider_ei.hooks.organization_jobs import OrganizationJobCalls
from airflow_provider_ei.hooks.stores import open_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_ei.results import AddDataResult, SyncSummary
    from airflow_provider_ei.sync.dataset.options import GivenMetadata, Shard, SyncOptions
    from airflow_provider_ei.sync.dataset.sync import DatasetSync

log = logging.getLogger(__name__)


class EdgeImpulseHook(OrganizationJobCalls):
    """Hook for an Edge Impulse organization.

    The connection is read at the first call; nothing is sent before. Every method raises
    :class:`~airflow_provider_ei.exceptions.EdgeImpulseError` or a specific subclass; ``error.retryable`` says whether a
    retry can help.

    :param edge_impulse_conn_id: the connection. Its password is the API key, and its host the base URL of Studio (empty
        for Edge Impulse's own). Its extra can set ``organization_id``, timeouts and retries.
    :param organization_id: overrides the connection's. Without either, the API key's organization is used.
    :ivar source_uris: the paths and URIs given to the last upload or sync.
    """

    def __init__(
        self,
        edge_impulse_conn_id: str = OrganizationJobCalls.default_conn_name,
        organization_id: int | str | None = None,
    ) -> None:
        super().__init__(edge_impulse_conn_id, organization_id)
        self.source_uris: Sequence[str] = ()

    @interruptible
    def add_data(
        self,
        *,
        name: str,
        dataset: str,
        files: Any,
        metadata: Mapping[str, Any] | str | None = None,
        bucket_name: str | None = None,
        bucket_id: int | str | None = None,
        bucket_path: str | None = None,
        if_exists: str = "update",
        origin: str | None = None,
    ) -> AddDataResult:
        """Make a data item equal to files and metadata. A repeated call creates no duplicate and sends nothing again.

        :param name: name of the data item.
        :param dataset: name of the dataset.
        :param files: a path or URI, a directory, a glob, ``{"path", "name"?, "content_type"?}``, or a list of these.
            URIs (``s3://conn_id@bucket/key``, ``gs://…``) are streamed from the store.
        :param metadata: a flat dict; ``True`` becomes ``true``, and numbers are written as in JSON.
        :param bucket_name: name of the organization's bucket, for a new item; or
        :param bucket_id: its id.
        :param bucket_path: directory in the bucket for a new item's files.
        :param if_exists: ``update``, ``skip``, ``fail``, or ``overwrite`` (also an item that someone else uploaded).
        :param origin: identifies the task and its map index, joined by ``#``: an item that another map index of the
            same task has written with different content is not replaced.
        :return: id, outcome, counts and digest; see :class:`~airflow_provider_ei.results.AddDataResult`.
        :raises EdgeImpulseInputError: before anything is sent, when an argument or a file cannot be used.
        :raises EdgeImpulseConflictError: when the item exists and ``if_exists`` does not allow changing it.
        :raises EdgeImpulseFileError: when a file changes while it is being sent.
        :raises EdgeImpulseServiceError: when the service refuses, fails, or cannot be reached.
        """
        from airflow_provider_ei.sync.item.conflicts import check_if_exists
        from airflow_provider_ei.sync.item.upload import ItemUpload
        from airflow_provider_ei.sync.item.wanted import want_item

        checked_if_exists = check_if_exists(if_exists)
        wanted = want_item(
            name=name,
            dataset=dataset,
            files=files,
            metadata=metadata,
            bucket_name=bucket_name,
            bucket_id=bucket_id,
            bucket_path=bucket_path,
            origin=origin,
            open_store=open_store,
        )
        organization_id = self.organization_id
        log.info(
            "Data item %r of dataset %r, organization %d: %d %s, %d bytes.",
            wanted.name,
            wanted.dataset,
            organization_id,
            len(wanted.files),
            "file" if len(wanted.files) == 1 else "files",
            wanted.total_bytes,
        )
        result = ItemUpload(self.data_api, wanted, checked_if_exists).run()
        log.info("Data item %r (id %d): %s.", result["name"], result["data_id"], result["outcome"])
        self.source_uris = wanted.uris
        report_lineage(self, self.source_uris, organization_id, wanted.dataset)
        return result

    @interruptible
    def sync_dataset(
        self,
        *,
        dataset: str,
        source: Any = None,
        items: Any = None,
        include: Sequence[str] | str | None = None,
        exclude: Sequence[str] | str | None = None,
        depth: int | str = 1,
        metadata: GivenMetadata = None,
        folder_separator: str | None = None,
        bucket_name: str | None = None,
        bucket_id: int | str | None = None,
        delete: str = "never",
        max_delete: int | str | None = None,
        dry_run: bool = False,
        comparison: str = "digest",
        workers: int | str = 8,
        sync_id: str | None = None,
        shard: Shard | None = None,
    ) -> SyncSummary:
        """Make a dataset equal to a folder, a bucket or a list. A repeated call sends only what has changed.

        Items that were uploaded by hand or by another sync are never changed or deleted.

        :param dataset: name of the dataset.
        :param source: a path or URI; each folder in it is a data item, named after its relative path; or
        :param items: a list of ``{"name", "files", "metadata"?}``, with ``files`` as in :meth:`add_data`.
        :param include: patterns of the files to send, as in ``.gitignore``, relative to the source.
        :param exclude: patterns of the files to leave out, as in ``.gitignore``.
        :param depth: how many levels below the source the folders of the data items are.
        :param metadata: a flat dict for all items, or a function that returns one for an
            :class:`~airflow_provider_ei.sync.dataset.options.ItemContext`. An item's own metadata take precedence:
            ``ei-metadata.json`` next to its files, or ``metadata`` in ``items``.
        :param folder_separator: replaces ``/`` in the names of the items' files, for instance by ``__``. Use it if the
            service drops folders, so that ``left/x.csv`` and ``right/x.csv`` do not become one file.
        :param bucket_name: name of the organization's bucket, for new items; or
        :param bucket_id: its id.
        :param delete: which items of this sync to delete once all others are up to date and none has failed: ``never``:
            none; ``extra``: those that the source no longer has; ``extra-and-excluded``: also those whose files
            ``include`` and ``exclude`` all leave out.
        :param max_delete: limit of the deletions: a number of items, or a percentage such as ``80%``. By default, and
            in addition to a number, half of the sync's items.
        :param dry_run: change nothing; ``plan`` in the returned summary shows what would be done.
        :param comparison: ``digest``; or ``size``, which treats files of the same name and size as the same without
            reading them.
        :param workers: how many data items to send at once, 1 to 64.
        :param sync_id: identifies the items of this sync; required to delete.
        :param shard: sync only this part of the items.
        :return: counts and names; see :class:`~airflow_provider_ei.results.SyncSummary`.
        :raises EdgeImpulseInputError: before anything is sent, when an argument or the source cannot be used.
        :raises EdgeImpulseDeleteLimitError: before anything is changed, when it would delete too many items.
        :raises EdgeImpulseSyncError: when items have failed, after all others are up to date; contains the summary.
        :raises EdgeImpulseServiceError: when the service refuses or fails every request.
        """
        from airflow_provider_ei.sync.dataset.options import SyncOptions

        given = locals()
        options = SyncOptions(**{name: given[name] for name in SyncOptions.names()})
        sync = self._prepare_sync(options)
        summary = sync.run(dry_run=dry_run)
        if not dry_run:
            self.source_uris = sync.source_uris
            report_lineage(self, self.source_uris, summary["organization_id"], summary["dataset"])
        return summary

    @interruptible
    def plan_shards(self, shards: int | str, **arguments: Any) -> list[Shard]:
        """Divide a sync into shards; each task then calls :meth:`sync_dataset` with one shard.

        Files are listed but not read, and nothing is changed.

        :param shards: the maximum number of shards.
        :param arguments: the arguments of :meth:`sync_dataset` that the tasks will use.
        :return: the shards that have changes.
        :raises EdgeImpulseError: as :meth:`sync_dataset` does.
        """
        from airflow_provider_ei.numeric import whole_number
        from airflow_provider_ei.sync.dataset.options import SyncOptions

        wanted = whole_number("shards", shards)
        if wanted is None:
            raise EdgeImpulseInputError(f"shards must be a positive whole number, not {shards!r}.")
        return self._prepare_sync(SyncOptions(**arguments)).shards(wanted)

    def _prepare_sync(self, options: SyncOptions) -> DatasetSync:
        """List the source and return its sync; nothing is sent."""
        from airflow_provider_ei.sync.dataset.read_source import read_source
        from airflow_provider_ei.sync.dataset.sync import DatasetSync

        source = read_source(options, open_store)
        return DatasetSync(self.data_api, source, options)
