"""One upload by one client: its time, its memory, and whether everything has arrived."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.clients.catalogue import PRODUCT, PRODUCT_MANY, Client, write_job
from bench.clients.job import Item, Job
from bench.sink import Counters, Sink

#: Open files that a process may have on most systems, unless someone raises it.
USUAL_OPEN_FILES = 1024
RAISED_OPEN_FILES = 65536

_LAUNCH = Path(__file__).with_name("launch.py")
_LONGEST = 300.0


class UploadFailed(Exception):
    """The client said so, or ended with an error."""


@dataclass(frozen=True)
class Load:
    """What is uploaded in one case.

    :ivar latency_ms: how long the server takes for each answer.
    :ivar source: the folder that the items are in.
    :ivar keeps: the server keeps what it has, and the client finds it.
    """

    key: str
    items: Sequence[Item]
    threads: int = 1
    latency_ms: int = 0
    source: str = ""
    keeps: bool = False

    @property
    def listing(self) -> list[tuple[str, int]]:
        """Names and sizes of an item's files, the same for all items of one load."""
        return [(os.path.basename(path), os.path.getsize(path)) for path in self.items[0].files]


@dataclass(frozen=True)
class Sample:
    """One run. ``memory`` in bytes and ``cpu`` in seconds, beyond those of the same program doing nothing.

    :ivar peak: memory of the whole process.
    :ivar seen: what has reached the server.
    :ivar told: what the client says.
    """

    seconds: float
    cpu: float
    memory: int
    peak: int
    seen: Counters
    told: Mapping[str, Any]


@dataclass(frozen=True)
class _Ended:
    seconds: float
    cpu: float
    peak: int
    output: str


class Meter:
    """Runs clients against the server.

    :param folder: for the jobs.
    """

    def __init__(self, sink: Sink, folder: Path) -> None:
        self._sink = sink
        self._folder = folder
        self._idle: dict[tuple[str, str], _Ended] = {}
        away = re.compile(r"AWS_.*|.*_proxy", re.IGNORECASE)  # rclone would read the former
        kept = {name: value for name, value in os.environ.items() if not away.fullmatch(name)}
        trust = dict.fromkeys(("REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), str(sink.certificate))
        self._environment = kept | trust

    def measure(self, client: Client, load: Load, scheme: str, *, open_files: int = USUAL_OPEN_FILES) -> Sample:
        """Let the client do its work once.

        :raises UploadFailed: with the client's words.
        """
        job = self._job(load, scheme)
        listing = load.listing
        idle = self._idle.get((client.name, load.key)) or self._run(client, job, open_files, idle=True)
        self._idle[client.name, load.key] = idle
        if not load.keeps:
            self._sink.reset(listing, load.latency_ms)
        before = self._sink.counters()
        ended = self._run(client, job, open_files, idle=False)
        told = {} if client.timed_outside else json.loads(ended.output.splitlines()[-1])
        if "error" in told:
            raise UploadFailed(told["error"])
        seen = self._sink.counters() - before
        if client.uploads and not load.keeps:
            self._check(client, load, told.get("outcomes"), seen.uploads, seen.upload_bytes)
        seconds = ended.seconds - idle.seconds if client.timed_outside else told["seconds"]
        return Sample(seconds, ended.cpu - idle.cpu, max(ended.peak - idle.peak, 0), ended.peak, seen, told)

    def _job(self, load: Load, scheme: str) -> Path:
        path = self._folder / f"{load.key}-{scheme}.json"
        if not path.exists():
            certificate = str(self._sink.certificate)
            write_job(Job(self._sink.urls[scheme], certificate, load.threads, list(load.items), load.source), path)
        return path

    def _run(self, client: Client, job: Path, open_files: int, *, idle: bool) -> _Ended:
        command = [sys.executable, "-I", "-S", str(_LAUNCH), str(open_files), *client.start(job, idle)]
        try:
            process = subprocess.run(
                command, env=self._environment, capture_output=True, text=True, timeout=_LONGEST, check=True
            )
        except subprocess.TimeoutExpired:
            raise UploadFailed(f"not done after {_LONGEST:g} s") from None
        output, _, last = process.stdout.rstrip().rpartition("\n")
        seconds, cpu, kib, status = last.split()
        if status != "0":
            words = (process.stderr.strip().splitlines() or [f"exit status {status}"])[-1]
            raise UploadFailed("ended by the system" if status.startswith("-") else words)
        return _Ended(float(seconds), float(cpu), int(kib) * 1024, output.strip())

    @staticmethod
    def _check(client: Client, load: Load, outcomes: list[str] | None, uploads: int, received: int) -> None:
        """Every byte of every file has left, and of the rest of a body (headers of parts) no more than is plausible."""
        content = sum(size for _, size in load.listing) * len(load.items)
        rest = 2000 * len(load.items) + 400 * sum(len(item.files) for item in load.items)
        if uploads < len(load.items) or not content <= received <= content + rest:
            raise UploadFailed(f"{uploads} uploads with {received} bytes have arrived, of {content}")
        if client in (PRODUCT, PRODUCT_MANY) and outcomes != ["created"]:
            raise UploadFailed(f"outcome {outcomes}")
