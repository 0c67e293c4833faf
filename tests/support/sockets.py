"""Ports and connections of this machine."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit


def free_ports(count: int) -> list[int]:
    """Return ports of this machine where nobody listens, each another one."""
    with ExitStack() as probes:
        found = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in found:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in found]


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def open_connections(url: str) -> int:
    """Count the connections that this machine keeps open to the server at a URL."""
    port = urlsplit(url).port
    established = "01"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[3] == established and int(row[2].rpartition(":")[2], 16) == port for row in rows)
