"""httpx, as its documentation shows it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable

import httpx

from bench.clients import job


def prepare(given: job.Job) -> Callable[[job.Item], str]:
    """A request of its own for each item, which may take as long as it takes."""
    context = ssl.create_default_context(cafile=given.certificate)

    def upload(item: job.Item) -> str:
        opened = [(os.path.basename(path), open(path, "rb")) for path in item.files]  # noqa: SIM115
        files = [("files[]", (name, file, job.CONTENT_TYPE)) for name, file in opened]
        headers = {"x-api-key": job.API_KEY}
        sent = httpx.post(given.url, headers=headers, data=item.form(), files=files, verify=context, timeout=None)
        return job.done(sent.json())

    return upload


if __name__ == "__main__":
    job.run(prepare)
