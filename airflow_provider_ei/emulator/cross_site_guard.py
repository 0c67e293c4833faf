"""Refuse requests that web pages of other sites send from the developer's browser.

A page of another site can send requests to this machine, and can give it a name of its own (DNS rebinding). So a
request must name a host of the emulator, and a request of a page must come from the emulator's page. Programs send
neither ``Origin`` nor ``Sec-Fetch-Site``.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_ei.emulator.error_responses import error_response

_READING = ("GET", "HEAD", "OPTIONS")
# A container reaches its host machine by these names.
_GATEWAYS = ("host.docker.internal", "host.containers.internal")
# Nobody can register a name with one of these endings, or without a dot.
_PRIVATE_NAME = re.compile(r"[a-z0-9_-]+|.+\.(localhost|internal|local)")


class CrossSiteGuard:
    """ASGI middleware with the check."""

    def __init__(self, app: ASGIApp, listening_at: str) -> None:
        """:param listening_at: the host on which the server was told to listen."""
        self._app = app
        self._own_name = listening_at.lower()
        self._offered = not _is_loopback(self._own_name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond with 403, or call the application."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            named = {name: headers.getlist(name) for name in ("host", "origin", "sec-fetch-site")}
            error = self.refusal(scope["method"], named)
            if error is not None:
                await error_response(error, 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def refusal(self, method: str, headers: Mapping[str, Sequence[str]]) -> str | None:
        """Return what is wrong with a request, by its ``host``, ``origin`` and ``sec-fetch-site``."""
        hosts, origins = headers.get("host", ()), headers.get("origin", ())
        if len(hosts) > 1 or not all(self._is_own(host) for host in hosts):
            return (
                f"Use the host {self._own_name}, or start the emulator with --host and the name to use:"
                f" {', '.join(hosts)[:200]!r} is not one of its names."
            )
        for origin in origins:
            if not hosts or not _same_place(origin, hosts[0]):
                return f"The emulator refuses requests from pages of other sites, such as {origin[:200]!r}."
        sites = headers.get("sec-fetch-site", ())
        if method not in _READING and any(site not in ("same-origin", "none") for site in sites):
            return "The emulator refuses requests from pages of other sites."
        return None

    def _is_own(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name == self._own_name or name in _GATEWAYS or _is_loopback(name):
            return True
        return self._offered and (
            _is_address(name) or name == socket.gethostname().lower() or bool(_PRIVATE_NAME.fullmatch(name))
        )


def _same_place(origin: str, host: str) -> bool:
    """Return whether an origin is that of a Host header. A proxy in between may add TLS."""
    try:
        there = urlsplit(origin)
        port = 443 if there.scheme == "https" else 80
        here = urlsplit(f"//{host}")
        return (there.hostname, there.port or port) == (here.hostname, here.port or port) and bool(there.hostname)
    except ValueError:
        return False


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    return _is_address(name) and ipaddress.ip_address(name).is_loopback


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
