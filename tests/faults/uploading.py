"""Uploads in a process of its own, and asks before each step whether it may take it, so that a test can kill it there.

usage: python -m tests.faults.uploading URL KEY STEPS; the first line of standard input is the content, as JSON. STEPS
is ``requests``, or ``blocks`` to ask before each block of a file as well. It prints a line for each question, and reads
one for each answer.
"""

from __future__ import annotations

import io
import json
import sys
import threading
from typing import Any

from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.files import read_opened
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.sync.item import plan
from airflow_provider_ei.sync.item.upload import ItemUpload
from airflow_provider_ei.sync.item.wanted import WantedItem

_one_at_a_time = threading.Lock()


def ask(what: str) -> None:
    with _one_at_a_time:
        print(what, flush=True)
        sys.stdin.readline()


class File:
    """A file whose bytes are given."""

    content_type = "text/csv"

    def __init__(self, name: str, data: bytes, *, asks: bool) -> None:
        self.name = self.source = name
        self.size = len(data)
        self._data = data
        self._asks = asks

    def open(self) -> io.BytesIO:
        return Blocks(self._data, self._asks)

    def check_unchanged(self, handle: object) -> None:
        return None

    def read_whole(self) -> bytes:
        return read_opened(self)


class Blocks(io.BytesIO):
    """Gives its bytes in two halves."""

    def __init__(self, data: bytes, asks: bool) -> None:
        super().__init__(data)
        self._asks = asks
        self._half = max(1, len(data) // 2)

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(min(size if size and size > 0 else self._half, self._half))
        if self._asks and block:
            ask("block")
        return block


def main(url: str, key: str, steps: str) -> None:
    given = json.loads(sys.stdin.readline())
    plan.SMALL_ITEM_BYTES = 10  # whatever is uploaded here is large
    settings = StudioSettings(api_key=key, base_url=url, retry_wait=0.0, settle_seconds=0.0, batch_files=2)
    with HttpClient(settings) as http:
        ask_before_requests(http)
        files = [File(name, data.encode(), asks=steps == "blocks") for name, data in given["files"].items()]
        wanted = WantedItem(given["name"], given["dataset"], files, given["metadata"])
        ItemUpload(OrganizationDataApi(http, given["organization"]), wanted).run()
    print("done", flush=True)


def ask_before_requests(http: HttpClient) -> None:
    for adapter in set(http._session.adapters.values()):
        adapter.send = asking(adapter.send)  # type: ignore[method-assign]


def asking(send: Any) -> Any:
    def ask_and_send(*args: Any, **kwargs: Any) -> Any:
        ask("request")
        return send(*args, **kwargs)

    return ask_and_send


if __name__ == "__main__":
    main(*sys.argv[1:])
