"""The hook: an Airflow connection in, Edge Impulse's data items out."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_ei.exceptions import (
    EdgeImpulseCancelledError,
    EdgeImpulseConfigError,
    EdgeImpulseError,
    EdgeImpulseInputError,
)
from airflow_provider_ei.hooks.connection import (
    CONN_TYPE,
    HOOK_NAME,
    UI_FIELD_BEHAVIOUR,
    form_widgets,
    is_loopback,
    read_connection,
)
from airflow_provider_ei.hooks.interruptible import interruptible
from airflow_provider_ei.hooks.lineage import report_lineage
from airflow_provider_ei.hooks.stores import open_store

# requests, msgspec and the rest are imported where they are used: a DAG file that only declares tasks is parsed every
# few seconds, and they would take four times as long as all the rest of it.
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_ei.results import AddDataResult, SyncSummary
    from airflow_provider_ei.studio.api.data import OrganizationDataApi
    from airflow_provider_ei.studio.api.organizations import OrganizationApi
    from airflow_provider_ei.studio.http import HttpClient
    from airflow_provider_ei.studio.models import Bucket, DataItem, Dataset, Organization
    from airflow_provider_ei.studio.settings import StudioSettings
    from airflow_provider_ei.sync.dataset.options import GivenMetadata, Shard, SyncOptions
    from airflow_provider_ei.sync.dataset.run import DatasetSync

log = logging.getLogger(__name__)


class EdgeImpulseHook(BaseHook):
    """Talks to an organization of Edge Impulse Studio with the key of an Airflow connection.

    Nothing is read and nothing is sent before the first call. Every method raises
    :class:`~airflow_provider_ei.exceptions.EdgeImpulseError` or a precise subclass; ``error.retryable`` tells whether a
    new try can help.

    :param edge_impulse_conn_id: the connection: password is the API key, host the base URL of Studio (empty for Edge
        Impulse's own), extra may carry ``organization_id``, timeouts and retries.
    :param organization_id: overrides that of the connection. Without either, the key's own organization is asked for.
    :ivar source_uris: the paths and URIs that the last upload or sync was given.
    """

    conn_name_attr = "edge_impulse_conn_id"
    default_conn_name = "edge_impulse_default"
    conn_type = CONN_TYPE
    hook_name = HOOK_NAME

    def __init__(self, edge_impulse_conn_id: str = default_conn_name, organization_id: int | str | None = None) -> None:
        super().__init__()
        self.edge_impulse_conn_id = edge_impulse_conn_id
        self._given_organization_id = organization_id
        self._cancelled = False
        self.source_uris: Sequence[str] = ()

    # --- the connection's form in Airflow 2; Airflow 3 takes it from get_provider_info --------------------

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return which standard fields the form hides, renames and fills with a placeholder."""
        return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's own fields."""
        return form_widgets()

    # --- connection ---------------------------------------------------------------------------------------

    @cached_property
    def _connection(self) -> tuple[StudioSettings, int | None]:
        connection = self._read_connection()
        self._accept(connection)
        return connection

    def _read_connection(self) -> tuple[StudioSettings, int | None]:
        return read_connection(self.get_connection(self.edge_impulse_conn_id))

    def _accept(self, connection: tuple[StudioSettings, int | None]) -> None:
        from airflow.providers.common.compat.sdk import mask_secret

        settings = connection[0]
        mask_secret(settings.api_key)
        if settings.base_url.startswith("http:") and not is_loopback(settings.base_url):
            log.warning("The API key travels unencrypted to %s. Use https.", settings.base_url)

    def reload_connection(self) -> None:
        """Read the connection again. If it has changed, close the client and forget the organization.

        :raises EdgeImpulseConfigError: when it is incomplete now.
        """
        if "_connection" not in self.__dict__:
            return  # it is read at the first call
        connection = self._read_connection()
        if connection != self._connection:
            self._accept(connection)
            self.close()
            for known in ("organization_id", "given_organization_id"):
                self.__dict__.pop(known, None)
            self.__dict__["_connection"] = connection

    @property
    def settings(self) -> StudioSettings:
        """Base URL, key and timeouts, as the connection has them.

        :raises EdgeImpulseConfigError: when the connection is incomplete.
        """
        return self._connection[0]

    @cached_property
    def client(self) -> HttpClient:
        """The client that all calls go through; its connections are kept open between them."""
        from airflow_provider_ei.studio.http import HttpClient
        from airflow_provider_ei.sync.dataset.options import MAX_WORKERS

        client = HttpClient(self.settings, connections=MAX_WORKERS)
        self.__dict__["client"] = client  # before the look, so that whoever cancels in between finds it
        if self._cancelled:
            client.cancel()
        return client

    def get_conn(self) -> HttpClient:
        """Return the client, as Airflow's hooks do."""
        return self.client

    @property
    def data_api(self) -> OrganizationDataApi:
        """The operations on the organization's data items.

        :raises EdgeImpulseError: as :attr:`organization_id` does.
        """
        from airflow_provider_ei.studio.api.data import OrganizationDataApi

        return OrganizationDataApi(self.client, self.organization_id)

    @property
    def _organization_api(self) -> OrganizationApi:
        from airflow_provider_ei.studio.api.organizations import OrganizationApi

        return OrganizationApi(self.client, self.organization_id)

    @property
    def requests_sent(self) -> int:
        """How many requests were sent through the client that is open now."""
        client = self.__dict__.get("client")
        return client.requests if client is not None else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the service. A later call opens new ones, unless the hook was cancelled."""
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()

    def cancel(self) -> None:
        """End the call under way with ``EdgeImpulseCancelledError``, and all later ones; for ``on_kill``.

        Safe in a signal handler and from another thread.
        """
        self._cancelled = True
        client = self.__dict__.get("client")
        if client is not None:
            client.cancel()

    def check_cancelled(self) -> None:
        """Do nothing, unless the hook was cancelled.

        :raises EdgeImpulseCancelledError: if it was.
        """
        if self._cancelled:
            raise EdgeImpulseCancelledError("The task was told to stop; the upload is not complete.")

    @cached_property
    def given_organization_id(self) -> int | None:
        """The organization as given, else of the connection; None when only the key can tell. Nothing is sent."""
        from airflow_provider_ei.numeric import whole_number

        return whole_number("organization_id", self._given_organization_id) or self._connection[1]

    @cached_property
    def organization_id(self) -> int:
        """The organization: as given, else of the connection, else of the key, which takes one request.

        :raises EdgeImpulseConfigError: when none is given and the key does not belong to exactly one.
        """
        if self.given_organization_id is not None:
            return self.given_organization_id
        organizations = self.list_organizations()
        if len(organizations) != 1:
            seen = ", ".join(f"{o.id} ({o.name})" for o in organizations) or "none"
            raise EdgeImpulseConfigError(
                f"Set organization_id in connection {self.edge_impulse_conn_id!r}: its key belongs to organization "
                f"{seen}, not to exactly one. If it is the key of a project, use a key of the organization."
            )
        return organizations[0].id

    @property
    def data_url(self) -> str:
        """The page of the organization's data in Studio, on the connection's host."""
        return self.settings.data_url(self.organization_id)

    def test_connection(self) -> tuple[bool, str]:
        """Try the connection with one request, ``listOrganizations``, and say what is wrong with it.

        :return: whether it works, and a sentence for the person who pressed the button.
        """
        from airflow_provider_ei.hooks.connection_check import try_connection

        try:
            settings, organization_id = self._connection
        except EdgeImpulseError as error:
            return False, str(error)
        return try_connection(settings, organization_id)

    # --- uploading ----------------------------------------------------------------------------------------

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
        """Make a data item equal to what is given; the same call twice leaves one item and sends nothing twice.

        :param name: name of the data item.
        :param dataset: name of the dataset.
        :param files: a path or URI, a directory, a glob, ``{"path", "name"?, "content_type"?}``, or a list of these.
            URIs (``s3://conn_id@bucket/key``, ``gs://…``) are streamed from the store.
        :param metadata: flat dict; ``True`` becomes ``true``, numbers what JSON writes.
        :param bucket_name: name of the organization's bucket, for a new item; or
        :param bucket_id: its number.
        :param bucket_path: where in the bucket a new item's files go.
        :param if_exists: ``update``, ``skip``, ``fail``, or ``overwrite`` (also an item that someone else uploaded).
        :param origin: names the task and its map index, joined by ``#``: an item that another map index of the same
            task has written with other content is not replaced.
        :return: id, outcome, counts and digest; see :class:`~airflow_provider_ei.results.AddDataResult`.
        :raises EdgeImpulseInputError: before anything is sent, when an argument or a file is not fit to be uploaded.
        :raises EdgeImpulseConflictError: when the item is there and ``if_exists`` does not allow to touch it.
        :raises EdgeImpulseFileError: when a file changes while it is being sent.
        :raises EdgeImpulseServiceError: when the service refuses, fails, or cannot be reached.
        """
        from airflow_provider_ei.sync.apply import ItemUpload
        from airflow_provider_ei.sync.prepare import check_if_exists, want_item

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
        """Make a dataset hold what a folder, a bucket or a list has; the same call twice sends nothing twice.

        Items that others have uploaded, by hand or by another sync, are left alone, whatever they are called.

        :param dataset: name of the dataset.
        :param source: a path or URI; each folder in it is a data item, named by its relative path; or
        :param items: a list of ``{"name", "files", "metadata"?}``, with files as :meth:`add_data` takes them.
        :param include: patterns as in ``.gitignore``, relative to the source: only these files.
        :param exclude: patterns as in ``.gitignore``: not these files.
        :param depth: how many folders deep the data items are.
        :param metadata: flat dict for all items, or a function from
            :class:`~airflow_provider_ei.sync.dataset.options.ItemContext` to one. What an item brings itself goes over
            it: ``ei-metadata.json`` beside its files, or ``metadata`` in ``items``.
        :param folder_separator: stands for ``/`` in the names of the items' files, for instance ``__``: for a service
            that drops folders, where ``left/x.csv`` and ``right/x.csv`` would become one file.
        :param bucket_name: name of the organization's bucket, for new items; or
        :param bucket_id: its number.
        :param delete: ``never``; ``extra``: items of this sync that the source no longer has, after all others are in
            step and if none has failed; ``extra-and-excluded``: also those that ``include`` and ``exclude`` leave out.
        :param max_delete: of them, at most so many and half of the items, or a percentage such as ``80%``.
        :param dry_run: only tell what would be done, in ``plan`` of the summary.
        :param comparison: ``digest``, or ``size``: take files of the same name and size for the same, unread.
        :param workers: data items that are sent at once, 1 to 64.
        :param sync_id: tells the items of this sync from those of others; needed to delete.
        :param shard: do only this part of the items.
        :return: counts and names; see :class:`~airflow_provider_ei.results.SyncSummary`.
        :raises EdgeImpulseInputError: before anything is sent, when an argument is not fit.
        :raises EdgeImpulseDeleteLimitError: before anything is changed, when too much would be deleted.
        :raises EdgeImpulseSyncError: when items have failed, after all others are in step; has the summary.
        :raises EdgeImpulseServiceError: when the service cannot be worked with at all.
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
        """Divide a sync among several tasks, each of which calls :meth:`sync_dataset` with one of the shards.

        Files are looked at and not read, and nothing is changed.

        :param shards: how many at most.
        :param arguments: those of :meth:`sync_dataset`, the same as the tasks then give.
        :return: the shards that have anything to do.
        :raises EdgeImpulseError: as :meth:`sync_dataset` does.
        """
        from airflow_provider_ei.numeric import whole_number
        from airflow_provider_ei.sync.dataset.options import SyncOptions

        wanted = whole_number("shards", shards)
        if wanted is None:
            raise EdgeImpulseInputError(f"shards must be a positive whole number, not {shards!r}.")
        return self._prepare_sync(SyncOptions(**arguments)).shards(wanted)

    def _prepare_sync(self, options: SyncOptions) -> DatasetSync:
        """Look at the source; nothing is sent."""
        from airflow_provider_ei.sync.dataset.read_source import read_source
        from airflow_provider_ei.sync.dataset.run import DatasetSync

        tree = read_source(options, open_store)
        return DatasetSync(self.data_api, tree, options)

    # --- single calls of the API --------------------------------------------------------------------------

    def list_organizations(self) -> Sequence[Organization]:
        """List the organizations of the key (``listOrganizations``)."""
        from airflow_provider_ei.studio.api.organizations import list_organizations

        return list_organizations(self.client)

    def list_buckets(self) -> Sequence[Bucket]:
        """List the organization's storage buckets (``listOrganizationBuckets``)."""
        return self._organization_api.list_buckets()

    def get_dataset(self, dataset: str) -> Dataset:
        """Get a dataset's type and totals (``getOrganizationDataset``)."""
        dataset = _checked_text("dataset", dataset)
        return self._organization_api.get_dataset(dataset)

    def list_data_items(
        self, dataset: str | None = None, *, filter: str | None = None, with_files: bool = False
    ) -> Sequence[DataItem]:
        """List all data items, with their files if wanted (``listOrganizationData``, ``listOrganizationFiles``).

        :param filter: SQL-WHERE text, for instance ``metadata->activity = 'running'``.
        """
        dataset = None if dataset is None else _checked_text("dataset", dataset)
        return self.data_api.list_data_items(dataset, filter=filter, with_files=with_files)

    def find_data_items(self, dataset: str, name: str) -> Sequence[DataItem]:
        """List the data items of exactly that name, with their files (``listOrganizationFiles``)."""
        dataset, name = _checked_text("dataset", dataset), _checked_text("name", name)
        return self.data_api.find_data_items(dataset, name)

    def get_data_item(self, data_id: int) -> DataItem:
        """Get a data item with its files (``getOrganizationDataItem``)."""
        data_id = _data_id(data_id)
        return self.data_api.get_data_item(data_id)

    def update_data_item(
        self,
        data_id: int,
        *,
        metadata: Mapping[str, str] | None = None,
        name: str | None = None,
        dataset: str | None = None,
    ) -> None:
        """Change a data item's metadata (the whole map), name or dataset (``updateOrganizationDataItem``)."""
        data_id = _data_id(data_id)
        name = None if name is None else _checked_text("name", name)
        dataset = None if dataset is None else _checked_text("dataset", dataset)
        self.data_api.update_data_item(data_id, metadata=metadata, name=name, dataset=dataset)

    def delete_data_item(self, data_id: int) -> None:
        """Delete a data item with its objects in the bucket (``deleteOrganizationDataItem``)."""
        data_id = _data_id(data_id)
        self.data_api.delete_data_item(data_id)


def _checked_text(field: str, value: object) -> str:
    from airflow_provider_ei.sources.names import check_text

    return check_text(field, value)


def _data_id(value: object) -> int:
    from airflow_provider_ei.numeric import whole_number

    data_id = whole_number("data_id", value)
    if data_id is None:
        raise EdgeImpulseInputError(f"data_id must be a positive whole number, not {value!r}.")
    return data_id
