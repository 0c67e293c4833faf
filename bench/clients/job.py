"""What a client uploads, and how it reports the result.

    python -m bench.clients.MODULE FUNCTION JOB.json [--idle]

The clock starts after the imports. With ``--idle`` the program ends there: its memory is that of doing nothing.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

#: What all clients send besides the files.
API_KEY = "ei_bench"
DATASET = "bench"
METADATA = {"subject": "s17", "hand": "left"}
CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Item:
    """One data item: its name, the paths of its files, and their folder if it holds nothing else."""

    name: str
    files: list[str]
    folder: str | None = None

    def form(self) -> dict[str, str]:
        """Return the text fields of the upload."""
        return {"name": self.name, "dataset": DATASET, "metadata": json.dumps(METADATA)}


@dataclass(frozen=True)
class Job:
    """What to upload where.

    :ivar bundle: the certificate authorities to trust.
    :ivar threads: how many uploads at once.
    :ivar source: the folder whose folders are the items, for clients that sync.
    """

    base_url: str
    bundle: str
    threads: int
    items: list[Item]
    source: str = ""

    @property
    def url(self) -> str:
        """Where a new item goes."""
        return f"{self.base_url}/api/organizations/1/data/add"

    @classmethod
    def read(cls, path: str | Path) -> Job:
        """Read a job that :meth:`write` wrote."""
        given = json.loads(Path(path).read_text())
        return cls(**given | {"items": [Item(**item) for item in given["items"]]})

    def write(self, path: Path) -> Path:
        """Write the job where a client can read it."""
        path.write_text(json.dumps(asdict(self)))
        return path


def each(upload: Callable[[Item], str], job: Job) -> dict[str, Any]:
    """Upload all items, as many at once as the job says, and return the outcomes."""
    if job.threads == 1:
        outcomes = [upload(item) for item in job.items]
    else:
        with ThreadPoolExecutor(job.threads) as pool:
            outcomes = list(pool.map(upload, job.items))
    return {"outcomes": sorted(set(outcomes))}


def accepted(answer: dict[str, Any]) -> str:
    """Check Studio's response to an upload by a client that does nothing else."""
    if answer.get("success") is not True:
        raise ValueError(f"refused: {answer}")
    return "sent"


def run(*functions: Callable[[Job], dict[str, Any]]) -> None:
    """Do the job of the command line; print the seconds and what the function returns, or the error, as JSON."""
    work = next(function for function in functions if function.__name__ == sys.argv[1])
    job = Job.read(sys.argv[2])
    if "--idle" in sys.argv:
        return
    begun = time.perf_counter()
    try:
        told = work(job)
    except Exception as error:
        root: BaseException = error
        while root.__cause__ or root.__context__:
            root = root.__cause__ or root.__context__  # type: ignore[assignment]
        text = root.strerror if isinstance(root, OSError) and root.strerror else str(root) or type(root).__name__
        print(json.dumps({"error": text}))
        return
    print(json.dumps({"seconds": time.perf_counter() - begun, **told}))
