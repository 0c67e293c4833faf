"""Base class of all hooks: reads an Airflow connection, opens a client, and defines the connection form."""

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

# requests, pydantic and similar packages are imported where they are used: DAG files are parsed every few seconds, and
# these imports would take four times as long as all other imports.
if TYPE_CHECKING:
    from airflow_provider_ei.studio.http import HttpClient
    from airflow_provider_ei.studio.settings import StudioSettings

log = logging.getLogger(__name__)


class ConnectedHook(BaseHook):
    """Opens a client with an Airflow connection, and cancels it when the task is killed.

    The connection is read at the first call; nothing is sent before. A subclass stores the connection's id under the
    name that ``conn_name_attr`` says.

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

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give each hook the methods as its own: Airflow 2 does not look for them in base classes."""
        super().__init_subclass__(**kwargs)
        for method in ("get_ui_field_behaviour", "get_connection_form_widgets"):
            if method not in vars(cls):
                setattr(cls, method, classmethod(getattr(ConnectedHook, method).__func__))

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the standard fields that the form hides or renames, and their placeholders."""
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

        :raises EdgeImpulseConfigError: when the connection is now incomplete.
        """
        if "_connection" not in self.__dict__:
            return  # it will be read at the first call
        connection = self._read_connection()
        if connection != self._connection:
            self._accept(connection)
            self.close()
            for known in self._derived:
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

        client = HttpClient(self.settings, connections=self._max_connections())
        self.__dict__["client"] = client  # before the check, so that a concurrent cancel() finds it
        if self._cancelled:
            client.cancel()
        return client

    def _max_connections(self) -> int:
        """Return how many connections are kept open at once."""
        return 1

    def get_conn(self) -> HttpClient:
        """Return the client; part of the interface of Airflow's hooks."""
        return self.client

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
