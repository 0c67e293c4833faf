"""What bounds an upload or a sync from below: these programs do only a part of the work."""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
import sys
import threading
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from bench.clients import job
from bench.clients.catalog import CURL

_BLOCK = 1 << 17
_PAGE = 1000
_BOUNDARY = "bench"


def sha256(given: job.Job) -> dict[str, Any]:
    """Hash the files in one thread, and upload nothing."""
    block = memoryview(bytearray(_BLOCK))
    for path in (path for item in given.items for path in item.files):
        digest = hashlib.sha256()
        with open(path, "rb", buffering=0) as source:
            while got := source.readinto(block):
                digest.update(block[:got])
    return {}


def curl_and_sha256(given: job.Job) -> dict[str, Any]:
    """Hash the files in one thread while curl uploads them, until both are done."""
    with subprocess.Popen(CURL.start(Path(sys.argv[2]), False)) as curl:
        sha256(given)
    if curl.returncode != 0:
        raise ValueError(f"curl ended with {curl.returncode}")
    return {}


def bare_items(given: job.Job) -> dict[str, Any]:
    """Send the requests of a first sync through http.client: a listing, one request for each item, a listing."""
    server, threads = urlsplit(given.base_url), threading.local()
    context = ssl.create_default_context(cafile=given.bundle) if server.scheme == "https" else None

    def send(method: str, path: str, body: bytes | None = None) -> bytes:
        if not hasattr(threads, "connection"):
            secure = context and HTTPSConnection(server.netloc, context=context)
            threads.connection = secure or HTTPConnection(server.netloc)
        headers = {"x-api-key": job.API_KEY, "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        threads.connection.request(method, f"{server.path}/api/organizations/1/data{path}", body, headers)
        answer: bytes = threads.connection.getresponse().read()
        return answer

    def upload(item: job.Item) -> str:
        send("POST", "/add", _form(item))
        return "sent"

    listing = f"/files?dataset={job.DATASET}&limit={_PAGE}&offset=0"
    send("GET", listing)
    told = job.each(upload, given)
    send("GET", listing)
    return told


def _form(item: job.Item) -> bytes:
    fields = [(f'name="{key}"', value.encode()) for key, value in item.form().items()]
    files = [(f'name="files[]"; filename="{os.path.basename(path)}"', Path(path).read_bytes()) for path in item.files]
    parts = [
        f"--{_BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
        for head, content in [*fields, *files]
    ]
    return b"".join([*parts, f"--{_BOUNDARY}--\r\n".encode()])


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
    job.run(sha256, curl_and_sha256, bare_items, look)
