"""The hook: an Airflow connection in, Edge Impulse's data items out."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_ei.exceptions import EdgeImpulseConfigError, EdgeImpulseError
from airflow_provider_ei.hooks.connection import (
    CONN_TYPE,
    EXTRA_FIELDS,
    HOOK_NAME,
    UI_FIELD_BEHAVIOUR,
    read_connection,
)

# requests, pydantic and the rest are imported where they are used: a DAG file that only declares tasks is parsed every
# few seconds, and they would take four times as long as all the rest of it.
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fsspec import AbstractFileSystem

    from airflow_provider_ei.studio.answers import Bucket, DataItem, Dataset, Organization
    from airflow_provider_ei.studio.client import StudioClient
    from airflow_provider_ei.studio.settings import StudioSettings
    from airflow_provider_ei.sync.apply import AddDataResult

log = logging.getLogger(__name__)

#: Most seconds that the connection's test button waits, whatever the connection's time-outs are.
TEST_TIMEOUT = 10.0


class EdgeImpulseHook(BaseHook):
    """Talks to an organization of Edge Impulse Studio with the key of an Airflow connection.

    Nothing is read and nothing is sent before the first call. Every method raises
    :class:`~airflow_provider_ei.exceptions.EdgeImpulseError` or a precise subclass; ``error.permanent`` tells whether a
    new try can help.

    :param edge_impulse_conn_id: the connection: password is the API key, host the base URL of Studio (empty for Edge
        Impulse's own), extra may carry ``organization_id``, time-outs and retries.
    :param organization_id: overrides that of the connection. Without either, the key's own organization is asked for.
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

    # --- the connection's form in Airflow 2; Airflow 3 takes it from get_provider_info --------------------

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return which standard fields the form hides, renames and fills with a placeholder."""
        return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's own fields."""
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
        from wtforms import IntegerField, StringField
        from wtforms.validators import Optional

        # Airflow 2 draws no field for fractions; a text is read as a number like any other.
        kinds = {"integer": IntegerField, "number": StringField}
        return {
            name: kinds[field.kind](
                field.label,
                widget=BS3TextFieldWidget(),
                validators=[Optional()],
                description=field.description,
            )
            for name, field in EXTRA_FIELDS.items()
        }

    # --- connection ---------------------------------------------------------------------------------------

    @cached_property
    def _connection(self) -> tuple[StudioSettings, int | None]:
        from airflow.providers.common.compat.sdk import mask_secret

        settings, organization_id = read_connection(self.get_connection(self.edge_impulse_conn_id))
        mask_secret(settings.api_key)
        if settings.base_url.startswith("http:") and not _is_loopback(settings.base_url):
            log.warning("The API key travels unencrypted to %s. Use https.", settings.base_url)
        return settings, organization_id

    @property
    def settings(self) -> StudioSettings:
        """Base URL, key and time-outs, as the connection has them.

        :raises EdgeImpulseConfigError: when the connection is incomplete.
        """
        return self._connection[0]

    @cached_property
    def client(self) -> StudioClient:
        """The client that all calls go through; its connections are kept open between them."""
        from airflow_provider_ei.studio.client import StudioClient

        client = StudioClient(self.settings)
        if self._cancelled:
            client.cancel()
        return client

    def get_conn(self) -> StudioClient:
        """Return the client, as Airflow's hooks do."""
        return self.client

    def cancel(self) -> None:
        """End the call under way with ``EdgeImpulseCancelledError``, and all later ones; for ``on_kill``.

        Safe in a signal handler and from another thread.
        """
        self._cancelled = True
        if "client" in self.__dict__:
            self.client.cancel()

    @cached_property
    def organization_id(self) -> int:
        """The organization: as given, else of the connection, else of the key, which takes one request.

        :raises EdgeImpulseConfigError: when none is given and the key does not belong to exactly one.
        """
        from airflow_provider_ei.sync.inputs import whole_number

        given = whole_number("organization_id", self._given_organization_id) or self._connection[1]
        if given is not None:
            return given
        organizations = self.client.list_organizations()
        if len(organizations) != 1:
            seen = ", ".join(f"{o.id} ({o.name})" for o in organizations) or "none"
            raise EdgeImpulseConfigError(
                f"No organization id: connection {self.edge_impulse_conn_id!r} has none in its extra, and its key "
                f"belongs to {seen}. Set organization_id in the connection; if it is the key of a project, use one of "
                "the organization."
            )
        return organizations[0].id

    def test_connection(self) -> tuple[bool, str]:
        """Try the connection with one request, ``listOrganizations``, and say what is wrong with it.

        :return: whether it works, and a sentence for the person who pressed the button.
        """
        from airflow_provider_ei.studio.client import StudioClient

        try:
            settings, wanted = self._connection
            quick = replace(
                settings,
                retry_attempts=1,
                connect_timeout=min(settings.connect_timeout, TEST_TIMEOUT),
                read_timeout=min(settings.read_timeout, TEST_TIMEOUT),
            )
            with StudioClient(quick) as client:
                organizations = client.list_organizations()
        except EdgeImpulseError as error:
            return False, str(error)
        names = {organization.id: organization.name for organization in organizations}
        seen = ", ".join(f"{number} ({name})" for number, name in names.items()) or "none"
        if wanted is not None and wanted not in names:
            return False, f"The key is right, but it belongs to organization {seen}, not to {wanted}."
        if wanted is None and len(names) != 1:
            return False, f"The key is right, but it belongs to organization {seen}. Set Organization ID."
        return True, f"Connected to {settings.base_url}: organization {seen}."

    # --- uploading ----------------------------------------------------------------------------------------

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
        :return: id, outcome, counts and digest; see :class:`~airflow_provider_ei.sync.apply.AddDataResult`.
        :raises EdgeImpulseInputError: before anything is sent, when an argument or a file is not fit to be uploaded.
        :raises EdgeImpulseConflictError: when the item is there and ``if_exists`` does not allow to touch it.
        :raises EdgeImpulseFileError: when a file changes while it is being sent.
        :raises EdgeImpulseServiceError: when the service refuses, fails, or cannot be reached.
        """
        from airflow_provider_ei.sync.apply import ItemUpload
        from airflow_provider_ei.sync.inputs import check_if_exists, want_item

        checked_if_exists = check_if_exists(if_exists)
        wanted = want_item(
            name=name,
            dataset=dataset,
            files=files,
            metadata=metadata,
            bucket_name=bucket_name,
            bucket_id=bucket_id,
            bucket_path=bucket_path,
            open_store=_open_store,
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
        result = ItemUpload(self.client, organization_id, wanted, checked_if_exists).run()
        log.info("Data item %r (id %d): %s.", result["name"], result["data_id"], result["outcome"])
        return result

    # --- single calls of the API --------------------------------------------------------------------------

    def list_organizations(self) -> Sequence[Organization]:
        """List the organizations of the key (``listOrganizations``)."""
        return self.client.list_organizations()

    def list_buckets(self) -> Sequence[Bucket]:
        """List the organization's storage buckets (``listOrganizationBuckets``)."""
        return self.client.list_buckets(self.organization_id)

    def get_dataset(self, dataset: str) -> Dataset:
        """Get a dataset's type and totals (``getOrganizationDataset``)."""
        return self.client.get_dataset(self.organization_id, dataset)

    def list_data_items(
        self, dataset: str | None = None, *, filter: str | None = None, with_files: bool = False
    ) -> Sequence[DataItem]:
        """List all data items, with their files if wanted (``listOrganizationData``, ``listOrganizationFiles``).

        :param filter: SQL-WHERE text, for instance ``metadata->activity = 'running'``.
        """
        return self.client.list_data_items(self.organization_id, dataset, filter=filter, with_files=with_files)

    def get_data_item(self, data_id: int) -> DataItem:
        """Get a data item with its files (``getOrganizationDataItem``)."""
        return self.client.get_data_item(self.organization_id, data_id)

    def update_data_item(
        self,
        data_id: int,
        *,
        metadata: Mapping[str, str] | None = None,
        name: str | None = None,
        dataset: str | None = None,
    ) -> None:
        """Change a data item's metadata (the whole map), name or dataset (``updateOrganizationDataItem``)."""
        self.client.update_data_item(self.organization_id, data_id, metadata=metadata, name=name, dataset=dataset)

    def delete_data_item(self, data_id: int) -> None:
        """Delete a data item with its objects in the bucket (``deleteOrganizationDataItem``)."""
        self.client.delete_data_item(self.organization_id, data_id)


def _open_store(uri: str) -> tuple[AbstractFileSystem, str]:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    path = ObjectStoragePath(uri)
    return path.fs, path.path


def _is_loopback(url: str) -> bool:
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
