"""Base hook: an Airflow connection, the client that it opens, and the organization that it works in."""

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

# requests, pydantic and the rest are imported where they are used: a DAG file that only declares tasks is parsed every
# few seconds, and they would take four times as long as all the rest of it.
if TYPE_CHECKING:
    from airflow_provider_ei.studio.api.data import OrganizationDataApi
    from airflow_provider_ei.studio.api.organizations import OrganizationApi
    from airflow_provider_ei.studio.http import HttpClient
    from airflow_provider_ei.studio.settings import StudioSettings

log = logging.getLogger(__name__)


class EdgeImpulseBaseHook(BaseHook):
    """Opens a client with an Airflow connection, and ends it when the task is killed.

    Nothing is read and nothing is sent before the first call.

    :param edge_impulse_conn_id: the connection.
    :param organization_id: overrides that of the connection.
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
    def organization_api(self) -> OrganizationApi:
        """The operations on the organization itself: its datasets and buckets.

        :raises EdgeImpulseError: as :attr:`organization_id` does.
        """
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
