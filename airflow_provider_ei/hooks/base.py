"""Base hook: reads an Airflow connection, opens a client, and determines the organization."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_ei.exceptions import EdgeImpulseCancelledError, EdgeImpulseConfigError, EdgeImpulseError
from airflow_provider_ei.hooks.connection import (
    CONN_TYPE,
    HOOK_NAME,
    UI_FIELD_BEHAVIOUR,
    form_widgets,
    is_loopback,
    read_connection,
)

# requests, pydantic and similar packages are imported where they are used: DAG files are parsed every few seconds, and
# these imports would take four times as long as all other imports.
if TYPE_CHECKING:
    from airflow_provider_ei.studio.api.data import OrganizationDataApi
    from airflow_provider_ei.studio.api.organizations import OrganizationApi
    from airflow_provider_ei.studio.http import HttpClient
    from airflow_provider_ei.studio.settings import StudioSettings

log = logging.getLogger(__name__)


class EdgeImpulseBaseHook(BaseHook):
    """Opens a client with an Airflow connection, and cancels it when the task is killed.

    The connection is read at the first call; nothing is sent before.

    :param edge_impulse_conn_id: the Airflow connection.
    :param organization_id: overrides the connection's organization.
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
        """Return the standard fields that the form hides or renames, and their placeholders."""
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

        :raises EdgeImpulseConfigError: when the connection is now incomplete.
        """
        if "_connection" not in self.__dict__:
            return  # it will be read at the first call
        connection = self._read_connection()
        if connection != self._connection:
            self._accept(connection)
            self.close()
            for known in ("organization_id", "given_organization_id"):
                self.__dict__.pop(known, None)
            self.__dict__["_connection"] = connection

    @property
    def settings(self) -> StudioSettings:
        """The connection's base URL, key and timeouts.

        :raises EdgeImpulseConfigError: when the connection is incomplete.
        """
        return self._connection[0]

    @cached_property
    def client(self) -> HttpClient:
        """The client for all calls. It keeps its connections open between calls."""
        from airflow_provider_ei.studio.http import HttpClient
        from airflow_provider_ei.sync.dataset.options import MAX_WORKERS

        client = HttpClient(self.settings, connections=MAX_WORKERS)
        self.__dict__["client"] = client  # before the check, so that a concurrent cancel() finds it
        if self._cancelled:
            client.cancel()
        return client

    def get_conn(self) -> HttpClient:
        """Return the client; part of the interface of Airflow's hooks."""
        return self.client

    @property
    def data_api(self) -> OrganizationDataApi:
        """Operations on the organization's data items.

        :raises EdgeImpulseError: as :attr:`organization_id` does.
        """
        from airflow_provider_ei.studio.api.data import OrganizationDataApi

        return OrganizationDataApi(self.client, self.organization_id)

    @property
    def organization_api(self) -> OrganizationApi:
        """Operations on the organization's datasets and buckets.

        :raises EdgeImpulseError: as :attr:`organization_id` does.
        """
        from airflow_provider_ei.studio.api.organizations import OrganizationApi

        return OrganizationApi(self.client, self.organization_id)

    @property
    def requests_sent(self) -> int:
        """Number of requests sent through the current client."""
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
        """Make the current call and all later calls raise ``EdgeImpulseCancelledError``; for ``on_kill``.

        Safe to call in a signal handler and from another thread.
        """
        self._cancelled = True
        client = self.__dict__.get("client")
        if client is not None:
            client.cancel()

    def check_cancelled(self) -> None:
        """Raise an error if the hook was cancelled.

        :raises EdgeImpulseCancelledError: if it was cancelled.
        """
        if self._cancelled:
            raise EdgeImpulseCancelledError("The task was told to stop; the upload is not complete.")

    @cached_property
    def given_organization_id(self) -> int | None:
        """The argument's or the connection's organization; None if only the key determines it. Sends nothing."""
        from airflow_provider_ei.numeric import whole_number

        return whole_number("organization_id", self._given_organization_id) or self._connection[1]

    @cached_property
    def organization_id(self) -> int:
        """The organization: the argument's, else the connection's, else the key's, which takes one request.

        :raises EdgeImpulseConfigError: when neither is given and the key does not belong to exactly one organization.
        """
        if self.given_organization_id is not None:
            return self.given_organization_id
        from airflow_provider_ei.studio.api.organizations import list_organizations

        organizations = list_organizations(self.client)
        if len(organizations) != 1:
            seen = ", ".join(f"{o.id} ({o.name})" for o in organizations) or "none"
            raise EdgeImpulseConfigError(
                f"Set organization_id in connection {self.edge_impulse_conn_id!r}: its key belongs to organization "
                f"{seen}, not to exactly one. If it is the key of a project, use a key of the organization."
            )
        return organizations[0].id

    @property
    def data_url(self) -> str:
        """URL of the organization's data page in Studio, on the connection's host."""
        return self.settings.data_url(self.organization_id)

    def test_connection(self) -> tuple[bool, str]:
        """Test the connection with one request, ``listOrganizations``.

        :return: whether it works, and a message for the user.
        """
        from airflow_provider_ei.hooks.connection_check import try_connection

        try:
            settings, organization_id = self._connection
        except EdgeImpulseError as error:
            return False, str(error)
        return try_connection(settings, organization_id)
