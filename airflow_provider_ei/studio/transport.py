"""The HTTP session: one pool of connections, large socket blocks, three timeouts, no retries, redirects or cookies.

Retries live above (see ``retry.py``), because a body that was streamed once cannot be sent again by urllib3: the
second request would carry its full length and no bytes.
"""

from __future__ import annotations

import socket
import threading
import weakref
from contextlib import suppress
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

from airflow_provider_ei import __version__
from airflow_provider_ei.redaction import guard_logs, know_proxies
from airflow_provider_ei.studio.reading import Allowance, BoundedResponse

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


class StudioSession(requests.Session):
    """A session that keeps no redirects and no cookies, and knows whether a request has begun to leave this machine."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._this_thread = threading.local()
        self._connections: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()
        self._aborted = False

    @property
    def has_sent(self) -> bool:
        """Whether this thread's newest request may have reached the host, wholly or in part."""
        return getattr(self._this_thread, "has_sent", False)

    @has_sent.setter
    def has_sent(self, value: bool) -> None:
        self._this_thread.has_sent = value

    def expect(self, *, seconds: float, most_bytes: int | None) -> None:
        """Set what the answer to this thread's next request may take, once the request is sent.

        :param most_bytes: of its body; None for a body of any length.
        """
        self._this_thread.expected = (seconds, most_bytes)

    def new_allowance(self) -> Allowance:
        """Return what the answer to the request that this thread has just sent may take."""
        seconds, most_bytes = self._this_thread.expected
        return Allowance(seconds, most_bytes)

    def about_to_send(self, connection: HTTPConnection) -> None:
        """Take note of a connection that a request leaves through.

        :raises ConnectionAbortedError: when :meth:`abort` was called before.
        """
        if self._aborted:
            raise ConnectionAbortedError("aborted")
        self.has_sent = True
        self._connections.add(connection)

    def abort(self) -> None:
        """End whatever is being sent or waited for, for good; safe in a signal handler and from another thread."""
        self._aborted = True
        for connection in list(self._connections):
            if connection.sock is not None:
                with suppress(OSError):
                    # Of the plain socket: TLS would first say goodbye, and wait for the other side to answer.
                    socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None, always. requests would prepare the next request even when it may not follow it."""
        return None


class UploadAdapter(HTTPAdapter):
    """Gives the pool's connections large blocks and a timeout of their own for sending.

    Without it, urllib3 sends under the *connect* timeout: a short one kills a slow upload, a long one makes a dead
    host look busy.
    """

    def __init__(self, session: StudioSession, *, write_timeout: float, connections: int) -> None:
        # Weak, here and in the connections: urllib3 keeps every pool's connections until the pool itself is dropped, so
        # a connection that kept the session, which keeps the pool, would keep its socket for good.
        self._session = weakref.proxy(session)
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

    def close(self) -> None:
        """Close all connections that wait in a pool. urllib3 would leave that to the garbage collector."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - a container that refuses to be iterated itself
                if pool := manager.pools.get(key):
                    pool.close()
        super().close()

    def _pool_classes(self) -> dict[str, type[HTTPConnectionPool]]:
        session, write_timeout = self._session, self._write_timeout

        def about_to_send(connection: HTTPConnection) -> None:
            if connection.sock is None:
                connection.connect()  # under the connect timeout, which the socket keeps until it is told otherwise
            connection.sock.settimeout(write_timeout)
            session.about_to_send(connection)

        class Connection(HTTPConnection):
            def send(self, data: Any) -> None:
                about_to_send(self)
                super().send(data)

            def getresponse(self) -> HTTPResponse:  # type: ignore[override]
                _bound(self, session.new_allowance())
                return super().getresponse()

        class SecureConnection(HTTPSConnection):
            def connect(self) -> None:
                _bound(self, Allowance(self.timeout or 0.0, 0))  # for the answer of a proxy
                try:
                    super().connect()
                finally:
                    session.has_sent = False  # what a proxy was asked on the way is not the request

            def send(self, data: Any) -> None:
                about_to_send(self)
                super().send(data)

            def getresponse(self) -> HTTPResponse:  # type: ignore[override]
                _bound(self, session.new_allowance())
                return super().getresponse()

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = SecureConnection

        return {"http": Pool, "https": SecurePool}


def _bound(connection: HTTPConnection, allowance: Allowance) -> None:
    """Have the next answer through a connection read within an allowance."""
    connection.response_class = partial(  # type: ignore[assignment]
        BoundedResponse, allowance=allowance, end_connection=weakref.WeakMethod(connection.close)
    )


def open_session(api_key: str, *, write_timeout: float, connections: int) -> StudioSession:
    """Return a session that signs every request and keeps at most ``connections`` open to the host.

    :param write_timeout: seconds for one block to leave.
    """
    know_proxies()
    guard_logs()
    session = StudioSession()
    session.auth = ApiKeyAuth(api_key)
    session.headers["User-Agent"] = f"airflow-provider-ei/{__version__}"
    session.headers["Accept"] = "application/json"
    session.headers["Accept-Encoding"] = "gzip"
    adapter = UploadAdapter(session, write_timeout=write_timeout, connections=connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
