"""HTTP session: pooled connections, large socket blocks, three timeouts; no retries, redirects or cookies.

Retries live one layer up (see ``retry.py``), because urllib3 cannot send a streamed body twice: the second request
would announce the full length and carry no bytes.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.auth import AuthBase
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse
from urllib3.util.ssl_ import create_urllib3_context
from urllib3.util.ssltransport import SSLTransport

from airflow_provider_ei import __version__
from airflow_provider_ei.redaction import guard_logs, know_proxies
from airflow_provider_ei.studio.reading import Allowance, BoundedResponse

#: Bytes that a connection reads from a body and passes to the socket at once. With http.client's 16 KiB, a large upload
#: loses two thirds of its speed.
BLOCK_BYTES = 128 * 1024

#: Linux only. While it is set, the kernel sends full packets, however small the writes are.
_TCP_CORK: int | None = getattr(socket, "TCP_CORK", None)


class ApiKeyAuth(AuthBase):
    """Puts the key into the header ``x-api-key``.

    As the session's auth rather than as a header, it also keeps requests from reading ``~/.netrc``, while proxies and
    CA bundles from the environment remain in effect.
    """

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign one request."""
        request.headers["x-api-key"] = self._api_key
        return request


class StudioSession(requests.Session):
    """A session that follows no redirects, keeps no cookies, and knows whether a request may have been sent."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._this_thread = threading.local()
        self._connections: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()
        self._aborted = False
        self._environment: dict[tuple[str, str], Any] = {}

    @property
    def has_sent(self) -> bool:
        """Whether this thread's newest request may have reached the host, wholly or in part."""
        return getattr(self._this_thread, "has_sent", False)

    @has_sent.setter
    def has_sent(self, value: bool) -> None:
        self._this_thread.has_sent = value

    def expect(self, *, seconds: float, most_bytes: int | None) -> None:
        """Limit the response to this thread's next request, from the moment when the request is sent.

        :param most_bytes: maximum size of its body; None for a body of any length.
        """
        self._this_thread.expected = (seconds, most_bytes)

    def new_allowance(self) -> Allowance:
        """Return the limits of the response to the request that this thread has just sent."""
        seconds, most_bytes = self._this_thread.expected
        return Allowance(seconds, most_bytes)

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Read the environment's proxies and CA bundle once for each host; see ``requests.Session``."""
        host = urlsplit(url)[:2]
        if (settings := self._environment.get(host)) is None:
            settings = super().merge_environment_settings(url, proxies, stream, verify, cert)
            self._environment[host] = settings
        return settings

    def watch(self, connection: HTTPConnection) -> None:
        """Let :meth:`abort` end a connection.

        :raises ConnectionAbortedError: when :meth:`abort` was called before.
        """
        self._connections.add(connection)
        self.check_not_aborted()

    def check_not_aborted(self) -> None:
        """Raise an error if the session was aborted.

        :raises ConnectionAbortedError: if the session was aborted.
        """
        if self._aborted:
            raise ConnectionAbortedError("aborted")

    def abort(self) -> None:
        """Abort all requests permanently; safe in a signal handler and from another thread."""
        self._aborted = True
        for connection in list(self._connections):
            if (plain := _plain_socket(connection)) is not None:
                with suppress(OSError):
                    # The plain socket's method: TLS would first send close_notify and wait for the peer.
                    socket.socket.shutdown(plain, socket.SHUT_RDWR)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None. Otherwise requests would prepare the next request even if it must not follow the redirect."""
        return None


class UploadAdapter(HTTPAdapter):
    """Gives connections large blocks, a separate timeout for sending, and one shared TLS context.

    Without it, urllib3 sends under the *connect* timeout: a short one ends slow uploads, a long one delays the
    detection of dead hosts. Besides, each connection would load all CAs again, which takes longer than a handshake.
    """

    def __init__(self, session: StudioSession, *, write_timeout: float, connections: int) -> None:
        # A weak reference, here and in the connections: urllib3 keeps a pool's connections until the pool is dropped. A
        # connection that referred to the session, which refers to the pool, would keep its socket open forever.
        self._session = weakref.proxy(session)
        self._write_timeout = write_timeout
        self._contexts: dict[object, ssl.SSLContext] = {}
        self._making_context = threading.Lock()
        super().__init__(max_retries=0, pool_connections=4, pool_maxsize=connections, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pool (called by requests, also when the adapter is copied to another process)."""
        super().init_poolmanager(*args, blocksize=BLOCK_BYTES, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes()

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Create the pool for a proxy, with the same properties."""
        manager = super().proxy_manager_for(proxy, blocksize=BLOCK_BYTES, **kwargs)
        manager.pool_classes_by_scheme = self._pool_classes()
        return manager

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Choose a pool by host and TLS settings, with our own context where requests would pass CA files."""
        host: dict[str, Any]
        settings: dict[str, Any]
        host, settings = super().build_connection_pool_key_attributes(request, verify, cert)  # type: ignore[assignment]
        authorities = _authorities(verify) if host["scheme"] == "https" else None
        if authorities is not None and os.path.exists(authorities):  # cert_verify reports a missing file
            settings.pop("ca_certs", None)
            settings.pop("ca_cert_dir", None)
            settings["ssl_context"] = self._context((authorities, cert), authorities)
        return host, settings

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Check that the files exist, and keep connections from loading the CAs that the context already has."""
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        if conn.proxy is None or conn.proxy.scheme != "https":  # the TLS of a proxy does not use our context
            conn.ca_certs = conn.ca_cert_dir = None

    def close(self) -> None:
        """Close all pooled connections, which urllib3 would leave to the garbage collector."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - a container that refuses to be iterated itself
                if pool := manager.pools.get(key):
                    pool.close()
        super().close()

    def _context(self, key: object, authorities: str) -> ssl.SSLContext:
        with self._making_context:
            if (context := self._contexts.get(key)) is None:
                context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
                is_directory = os.path.isdir(authorities)
                try:
                    context.load_verify_locations(**{"capath" if is_directory else "cafile": authorities})
                except OSError as error:
                    raise OSError(f"{authorities} has no certificates that can be read: {error}") from error
                self._contexts[key] = context
        return context

    def _pool_classes(self) -> dict[str, type[HTTPConnectionPool]]:
        session, write_timeout = self._session, self._write_timeout

        class Connection(HTTPConnection):
            def connect(self) -> None:
                session.watch(self)
                super().connect()

            def request(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
                if self.sock is None:
                    self.connect()  # under the connect timeout
                self.timeout = write_timeout  # urllib3 sets the socket's to this; to the read timeout after the request
                session.watch(self)
                session.has_sent = True
                with _corked(self, body):
                    super().request(method, url, body, *args, **kwargs)

            def send(self, data: Any) -> None:
                session.check_not_aborted()
                super().send(data)

            def getresponse(self) -> HTTPResponse:  # type: ignore[override]
                _bound(self, session.new_allowance())
                return super().getresponse()

        class SecureConnection(Connection, HTTPSConnection):
            def connect(self) -> None:
                _bound(self, Allowance(self.timeout or 0.0, 0))  # for the response of a proxy
                super().connect()

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = SecureConnection

        return {"http": Pool, "https": SecurePool}


def _authorities(verify: bool | str | None) -> str | None:
    """Return the file or directory of the CAs to trust; None when nothing is verified."""
    return DEFAULT_CA_BUNDLE_PATH if verify is True else verify or None


def _plain_socket(connection: HTTPConnection) -> socket.socket | None:
    """Return the plain socket below all TLS layers, including that of a proxy."""
    found = connection.sock
    while isinstance(found, SSLTransport):
        found = found.socket
    return found


@contextmanager
def _corked(connection: HTTPConnection, body: object) -> Iterator[None]:
    """Send the head and the blocks of a body in full packets, and the rest without delay at the end.

    OpenSSL writes each record of 16 KiB separately, which costs a large upload a third of its speed.
    """
    plain = _plain_socket(connection)
    if body is None or plain is None or _TCP_CORK is None:
        yield
        return
    plain.setsockopt(socket.IPPROTO_TCP, _TCP_CORK, 1)
    try:
        yield
    finally:
        with suppress(OSError):  # the connection was closed in the meantime
            plain.setsockopt(socket.IPPROTO_TCP, _TCP_CORK, 0)


def _bound(connection: HTTPConnection, allowance: Allowance) -> None:
    """Limit the next response through a connection."""
    connection.response_class = partial(  # type: ignore[assignment]
        BoundedResponse, allowance=allowance, end_connection=weakref.WeakMethod(connection.close)
    )


def open_session(api_key: str, *, write_timeout: float, connections: int) -> StudioSession:
    """Return a session that signs every request and keeps at most ``connections`` open to the host.

    :param write_timeout: seconds in which one block must be sent.
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
