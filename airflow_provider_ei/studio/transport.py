"""The HTTP session: one pool of connections, large socket blocks, three time-outs, no retries, no redirects.

Retries live above (see ``retry.py``), because a body that was streamed once cannot be sent again by urllib3: the
second request would carry its full length and no bytes.
"""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from airflow_provider_ei import __version__

#: Bytes that a connection reads from a body and hands to the socket at once. http.client's own 16 KiB cost two
#: thirds of the speed of a large upload.
BLOCK_BYTES = 128 * 1024


class ApiKeyAuth(AuthBase):
    """Puts the key into ``x-api-key``.

    As the session's auth rather than as a header, it also keeps requests from looking into ``~/.netrc``, while
    proxies and CA bundles from the environment stay in force.
    """

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign one request."""
        request.headers["x-api-key"] = self._api_key
        return request


class UploadAdapter(HTTPAdapter):
    """Gives the pool's connections large blocks and a time-out of their own for sending.

    Without it, urllib3 sends under the *connect* time-out: a short one kills a slow upload, a long one makes a dead
    host look busy.
    """

    def __init__(self, *, write_timeout: float, connections: int) -> None:
        self._write_timeout = write_timeout
        super().__init__(max_retries=0, pool_connections=4, pool_maxsize=connections, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool (called by requests, also when the adapter is copied to another process)."""
        super().init_poolmanager(*args, blocksize=BLOCK_BYTES, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes()

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pool behind a proxy, with the same properties."""
        manager = super().proxy_manager_for(proxy, blocksize=BLOCK_BYTES, **kwargs)
        manager.pool_classes_by_scheme = self._pool_classes()
        return manager

    def _pool_classes(self) -> dict[str, type[HTTPConnectionPool]]:
        seconds = self._write_timeout

        class Connection(HTTPConnection):
            def send(self, data: Any) -> None:
                _send_within(self, seconds, data, super().send)

        class SecureConnection(HTTPSConnection):
            def send(self, data: Any) -> None:
                _send_within(self, seconds, data, super().send)

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = SecureConnection

        return {"http": Pool, "https": SecurePool}


def _send_within(connection: HTTPConnection, seconds: float, data: Any, send: Any) -> None:
    if connection.sock is None:
        connection.connect()  # under the connect time-out, which the socket keeps until it is told otherwise
    connection.sock.settimeout(seconds)
    send(data)


def open_session(api_key: str, *, write_timeout: float, connections: int) -> requests.Session:
    """Return a session that signs every request and keeps at most ``connections`` open to the host.

    :param write_timeout: seconds for one block to leave.
    """
    session = requests.Session()
    session.auth = ApiKeyAuth(api_key)
    session.headers["User-Agent"] = f"airflow-provider-ei/{__version__}"
    session.headers["Accept"] = "application/json"
    adapter = UploadAdapter(write_timeout=write_timeout, connections=connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
