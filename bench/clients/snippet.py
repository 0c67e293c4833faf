"""The documented snippet: ``requests.post(files=…)``."""

from __future__ import annotations

import os
from collections.abc import Callable

import requests

from bench.clients import job


def prepare(given: job.Job) -> Callable[[job.Item], str]:
    """A request of its own for each item, as the snippet does."""

    def upload(item: job.Item) -> str:
        opened = [(os.path.basename(path), open(path, "rb")) for path in item.files]  # noqa: SIM115
        files = [("files[]", (name, file, job.CONTENT_TYPE)) for name, file in opened]
        response = requests.post(given.url, headers={"x-api-key": job.API_KEY}, data=item.form(), files=files)
        return job.done(response.json())

    return upload


if __name__ == "__main__":
    job.run(prepare)
