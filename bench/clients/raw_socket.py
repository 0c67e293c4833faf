"""No HTTP library and no multipart: a file's bytes into a socket. What is faster than this is the server's limit.

Over plain TCP by ``sendfile``, over TLS in blocks of 128 KiB.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from bench.clients import job

_BLOCK = 1 << 17


def prepare(given: job.Job) -> Callable[[job.Item], str]:
    """A connection of its own for each item."""
    url = urlsplit(given.url)
    context = ssl.create_default_context(cafile=given.certificate)

    def upload(item: job.Item) -> str:
        (path,) = item.files
        size = os.path.getsize(path)
        connection = socket.create_connection((url.hostname, url.port))
        if url.scheme == "https":
            connection = context.wrap_socket(connection, server_hostname=url.hostname)
        with connection, open(path, "rb", buffering=0) as source:
            head = f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {size}\r\n\r\n"
            connection.sendall(head.encode())
            if url.scheme == "https":
                block = memoryview(bytearray(_BLOCK))
                while got := source.readinto(block):
                    connection.sendall(block[:got])
            else:
                connection.sendfile(source)
            return "sent" if b'"success":true' in connection.recv(4096).replace(b" ", b"") else "refused"

    return upload


if __name__ == "__main__":
    job.run(prepare)
