"""requests with toolbelt's ``MultipartEncoder``, as its documentation shows it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import requests
from requests_toolbelt import MultipartEncoder

from bench.clients import job


def prepare(given: job.Job) -> Callable[[job.Item], str]:
    """A request of its own for each item."""

    def upload(item: job.Item) -> str:
        parts: list[tuple[str, Any]] = list(item.form().items())
        opened = [(os.path.basename(path), open(path, "rb")) for path in item.files]  # noqa: SIM115
        parts += [("files[]", (name, file, job.CONTENT_TYPE)) for name, file in opened]
        body = MultipartEncoder(parts)
        headers = {"x-api-key": job.API_KEY, "Content-Type": body.content_type}
        return job.done(requests.post(given.url, headers=headers, data=body).json())

    return upload


if __name__ == "__main__":
    job.run(prepare)
