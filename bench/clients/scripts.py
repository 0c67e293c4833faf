"""What people write themselves: the documented snippet, and the same with a body that is streamed."""

from __future__ import annotations

import os
from typing import Any

import requests

from bench.clients import job


def snippet(given: job.Job) -> dict[str, Any]:
    """``requests.post(files=…)`` for each item, over a new connection, as Edge Impulse's documentation shows it."""

    def upload(item: job.Item) -> str:
        files = [("files[]", part) for part in _parts(item)]
        headers = {"x-api-key": job.API_KEY}
        return job.accepted(requests.post(given.url, headers=headers, data=item.form(), files=files).json())

    return job.each(upload, given)


def encoder(given: job.Job) -> dict[str, Any]:
    """The same with ``MultipartEncoder`` of requests-toolbelt, as its documentation shows it."""
    from requests_toolbelt import MultipartEncoder

    def upload(item: job.Item) -> str:
        body = MultipartEncoder([*item.form().items(), *(("files[]", part) for part in _parts(item))])
        headers = {"x-api-key": job.API_KEY, "Content-Type": body.content_type}
        return job.accepted(requests.post(given.url, headers=headers, data=body).json())

    return job.each(upload, given)


def _parts(item: job.Item) -> list[tuple[str, Any, str]]:
    return [(os.path.basename(path), open(path, "rb"), job.CONTENT_TYPE) for path in item.files]


if __name__ == "__main__":
    job.run(snippet, encoder)
