"""aiohttp, as its documentation shows it."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable

import aiohttp

from bench.clients import job


def prepare(given: job.Job) -> Callable[[job.Item], str]:
    """A session of its own for each item, which may take as long as it takes."""
    context = ssl.create_default_context(cafile=given.certificate)

    async def send(item: job.Item) -> str:
        form = aiohttp.FormData(item.form())
        for path in item.files:
            name = os.path.basename(path)
            opened = open(path, "rb")  # noqa: SIM115
            form.add_field("files[]", opened, filename=name, content_type=job.CONTENT_TYPE)
        timeout = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(headers={"x-api-key": job.API_KEY}, timeout=timeout) as session,
            session.post(given.url, data=form, ssl=context) as response,
        ):
            return job.done(await response.json())

    return lambda item: asyncio.run(send(item))


if __name__ == "__main__":
    job.run(prepare)
