"""What a client is to upload, and how it tells what came of it.

    python -m bench.clients.NAME JOB.json [--idle]

The clock starts after the imports. With ``--idle`` the program ends there: its memory is that of doing nothing.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What all clients send beside the files.
API_KEY = "ei_bench"
DATASET = "bench"
METADATA = {"subject": "s17", "hand": "left"}
CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Item:
    """One data item: its name, the paths of its files, and the folder if they are all that is in it."""

    name: str
    files: list[str]
    folder: str | None = None

    def form(self) -> dict[str, str]:
        """The text fields of the upload."""
        return {"name": self.name, "dataset": DATASET, "metadata": json.dumps(METADATA)}


@dataclass(frozen=True)
class Job:
    """What to upload where.

    :ivar certificate: the authority to trust.
    :ivar threads: how many uploads at once.
    :ivar source: the folder whose folders are the items, for those who are not told of each.
    """

    base_url: str
    certificate: str
    threads: int
    items: list[Item]
    source: str = ""

    @property
    def url(self) -> str:
        """Where a new item goes."""
        return f"{self.base_url}/api/organizations/1/data/add"

    @classmethod
    def read(cls, path: str) -> Job:
        """Read a job that :meth:`write` wrote."""
        given = json.loads(Path(path).read_text())
        return cls(**given | {"items": [Item(**item) for item in given["items"]]})


def done(answer: dict[str, Any]) -> str:
    """Check Studio's answer to an upload by a client that does nothing else."""
    if answer.get("success") is not True:
        raise ValueError(f"refused: {answer}")
    return "sent"


def run(prepare: Callable[[Job], Callable[[Item], str]]) -> None:
    """Do the job of the command line and print seconds and outcomes, or the error, as JSON.

    :param prepare: makes the function that uploads one item and returns its outcome.
    """

    def work(job: Job) -> dict[str, Any]:
        upload = prepare(job)
        if job.threads == 1:
            outcomes = [upload(item) for item in job.items]
        else:
            with ThreadPoolExecutor(job.threads) as pool:
                outcomes = list(pool.map(upload, job.items))
        return {"outcomes": sorted(set(outcomes))}

    tell(work)


def tell(work: Callable[[Job], dict[str, Any]]) -> None:
    """Do the job of the command line and print seconds and what it returns, or the error, as JSON."""
    job = Job.read(sys.argv[1])
    if "--idle" in sys.argv:
        return
    begun = time.perf_counter()
    try:
        told = work(job)
    except Exception as error:
        root = error
        while root.__cause__ or root.__context__:
            root = root.__cause__ or root.__context__  # type: ignore[assignment]
        text = root.strerror if isinstance(root, OSError) and root.strerror else str(root) or type(root).__name__
        print(json.dumps({"error": text}))
        return
    print(json.dumps({"seconds": time.perf_counter() - begun, **told}))
