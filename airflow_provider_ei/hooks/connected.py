"""What all hooks share: an Airflow connection, the client that it opens, and the form of the connection."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_ei.exceptions import EdgeImpulseCancelledError
from airflow_provider_ei.hooks.connection import (
    UI_FIELD_BEHAVIOUR,
    ConnectionType,
    form_widgets,
    is_loopback,
    read_connection,
)

# requests, pydantic and the rest are imported where they are used: a DAG file that only declares tasks is parsed every
# few seconds, and they would take four times as long as all the rest of it.
if TYPE_CHECKING:
    from airflow_provider_ei.studio.http import HttpClient
    from airflow_provider_ei.studio.settings import StudioSettings

log = logging.getLogger(__name__)


class ConnectedHook(BaseHook):
    """Opens a client with an Airflow connection, and ends it when the task is killed.

    Nothing is read and nothing is sent before the first call. A subclass stores the connection's id under the name that
    ``conn_name_attr`` says.

    :cvar connection_type: the type of its connection.
    :cvar _derived: names of cached properties that follow from the connection.
    """

    conn_name_attr: ClassVar[str]
    connection_type: ClassVar[ConnectionType]
    _derived: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self._cancelled = False

    # --- the connection's form in Airflow 2; Airflow 3 takes it from get_provider_info --------------------

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return which standard fields the form hides, renames and fills with a placeholder."""
        return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's own fields."""
        return form_widgets(cls.connection_type)

    # --- connection ---------------------------------------------------------------------------------------

    @cached_property
    def _connection(self) -> tuple[StudioSettings, int | None]:
        connection = self._read_connection()
        self._accept(connection)
        return connection

    def _read_connection(self) -> tuple[StudioSettings, int | None]:
        return read_connection(self.get_connection(getattr(self, self.conn_name_attr)), self.connection_type)

    def _accept(self, connection: tuple[StudioSettings, int | None]) -> None:
        from airflow.providers.common.compat.sdk import mask_secret

        settings = connection[0]
        mask_secret(settings.api_key)
        if settings.base_url.startswith("http:") and not is_loopback(settings.base_url):
            log.warning("The API key travels unencrypted to %s. Use https.", settings.base_url)

    def reload_connection(self) -> None:
        """Read the connection again. If it has changed, close the client and forget what followed from it.

        :raises EdgeImpulseConfigError: when it is incomplete now.
        """
        if "_connection" not in self.__dict__:
            return  # it is read at the first call
        connection = self._read_connection()
        if connection != self._connection:
            self._accept(connection)
            self.close()
            for known in self._derived:
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

        client = HttpClient(self.settings, connections=self._max_connections())
        self.__dict__["client"] = client  # before the look, so that whoever cancels in between finds it
        if self._cancelled:
            client.cancel()
        return client

    def _max_connections(self) -> int:
        """Return how many connections are kept open at once."""
        return 1

    def get_conn(self) -> HttpClient:
        """Return the client, as Airflow's hooks do."""
        return self.client

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
