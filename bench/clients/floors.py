"""What bounds an upload or a sync from below: these programs do only a part of the work."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import requests

from bench.clients import job

_BLOCK = 1 << 17
_PAGE = 1000


def sha256(given: job.Job) -> dict[str, Any]:
    """Hash the files in one thread, and upload nothing."""
    block = memoryview(bytearray(_BLOCK))
    for path in (path for item in given.items for path in item.files):
        digest = hashlib.sha256()
        with open(path, "rb", buffering=0) as source:
            while got := source.readinto(block):
                digest.update(block[:got])
    return {}


def raw_socket(given: job.Job) -> dict[str, Any]:
    """Send one file's bytes without an HTTP library: ``sendfile`` over TCP, blocks of 128 KiB over TLS."""
    (item,) = given.items
    (path,) = item.files
    url = urlsplit(given.url)
    connection = socket.create_connection((url.hostname, url.port))
    if url.scheme == "https":
        connection = ssl.create_default_context(cafile=given.bundle).wrap_socket(
            connection, server_hostname=url.hostname
        )
    with connection, open(path, "rb", buffering=0) as source:
        length = os.path.getsize(path)
        connection.sendall(
            f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        if url.scheme == "https":
            block = memoryview(bytearray(_BLOCK))
            while got := source.readinto(block):
                connection.sendall(block[:got])
        else:
            connection.sendfile(source)
        if b'"success":true' not in connection.recv(4096).replace(b" ", b""):
            raise ValueError("refused")
    return {}


def look(given: job.Job) -> dict[str, Any]:
    """Stat every file of the source and load every page of the listing as plain JSON."""
    files = items = 0
    for folder in os.scandir(given.source):
        with os.scandir(folder) as entries:
            files += sum(entry.stat().st_mtime_ns > 0 for entry in entries)
    session = requests.Session()
    url = f"{given.base_url}/api/organizations/1/data/files"
    while True:
        query: dict[str, Any] = {"dataset": job.DATASET, "limit": _PAGE, "offset": items}
        answer = session.get(url, params=query, headers={"x-api-key": job.API_KEY}).json()
        items += len(answer["data"])
        if items >= answer["totalDataItemCount"]:
            return {"files": files, "items": items}


if __name__ == "__main__":
    job.run(sha256, raw_socket, look)
