"""One upload by one client: its time, its memory, and whether everything has arrived."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.clients.catalog import Client
from bench.clients.job import Item, Job
from bench.results import Row, ratio
from bench.sink import Counters, Sink

#: Open files that a process may have on most systems, unless someone raises it.
USUAL_OPEN_FILES = 1024
RAISED_OPEN_FILES = 65536

_LAUNCH = Path(__file__).with_name("launch.py")
_TIMEOUT_SECONDS = 1800.0

Tell = Callable[[str], None]


class UploadFailed(Exception):
    """The client reported an error, or ended with one."""


@dataclass(frozen=True)
class Load:
    """What is uploaded in one case.

    :ivar latency_ms: how long the server waits before each response.
    :ivar source: the folder that the items are in.
    :ivar keeps: the server keeps what it has, and the client finds it.
    :ivar url: of a server other than the sink.
    :ivar file_bytes: bytes of each file, for those that are not on this machine.
    :ivar environment: variables that the client finds set.
    """

    key: str
    items: Sequence[Item]
    threads: int = 1
    latency_ms: int = 0
    source: str = ""
    keeps: bool = False
    url: str = ""
    file_bytes: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def listing(self) -> list[tuple[str, int]]:
        """Names and sizes of an item's files, the same for all items of one load."""
        size = os.path.getsize if self.file_bytes is None else lambda path: self.file_bytes
        return [(os.path.basename(path), size(path)) for path in self.items[0].files]


@dataclass(frozen=True)
class Sample:
    """One run. ``memory`` in bytes and ``cpu`` in seconds, beyond those of the same program doing nothing.

    :ivar peak: memory of the whole process.
    :ivar seen: what has reached the server.
    :ivar told: what the client reports.
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
    :param rounds: how often each client runs.
    :param tell: called with what is being measured.
    :param prefix: what each client's command begins with.
    """

    def __init__(self, sink: Sink, folder: Path, rounds: int, tell: Tell, prefix: Sequence[str] = ()) -> None:
        self.sink = sink
        self.rounds = rounds
        self.tell = tell
        self._folder = folder
        self._prefix = prefix
        self._idle: dict[tuple[str, str], _Ended] = {}
        away = re.compile(r"AWS_.*|.*_proxy", re.IGNORECASE)  # rclone would read the former
        kept = {name: value for name, value in os.environ.items() if not away.fullmatch(name)}
        self._environment = kept | {"REQUESTS_CA_BUNDLE": str(sink.bundle)}

    def in_turn(self, bouts: Sequence[Bout], title: str, scheme: str = "http", *, rounds: int | None = None) -> None:
        """Let all clients run, in every round in another order."""
        rounds = self.rounds if rounds is None else rounds
        for number in range(rounds):
            turn = number % len(bouts)
            for bout in [*bouts[turn:], *bouts[:turn]]:
                self.tell(f"{title}, round {number + 1} of {rounds}: {bout.client.name}")
                bout.go(number, self, scheme)

    def measure(self, client: Client, load: Load, scheme: str, *, open_files: int = USUAL_OPEN_FILES) -> Sample:
        """Let the client do its work once.

        :raises UploadFailed: with the client's message.
        """
        job = self._job(load, scheme)
        idle = self._idle_run(client, load, job, open_files)
        if not load.keeps:
            self.sink.reset(load.listing, load.latency_ms)
        before = self.sink.counters()
        ended = self._run(client, load, job, open_files, idle=False)
        told = {} if client.timed_outside else json.loads(ended.output.splitlines()[-1])
        if "error" in told:
            raise UploadFailed(told["error"])
        seen = self.sink.counters() - before
        if not client.is_floor and not load.keeps:
            self._check(client, load, told.get("outcomes"), seen)
        seconds = max(ended.seconds - idle.seconds, 1e-3) if client.timed_outside else told["seconds"]
        return Sample(seconds, ended.cpu - idle.cpu, max(ended.peak - idle.peak, 0), ended.peak, seen, told)

    def _job(self, load: Load, scheme: str) -> Path:
        path = self._folder / f"{load.key}-{scheme}.json"
        if not path.exists():
            url, bundle = load.url or self.sink.urls[scheme], str(self.sink.bundle)
            Job(url, bundle, load.threads, list(load.items), load.source).write(path)
        return path

    def _idle_run(self, client: Client, load: Load, job: Path, open_files: int) -> _Ended:
        key = (client.name, load.key)
        if key not in self._idle:
            times = 3 if client.timed_outside else 1  # their time is subtracted, so it must not be a slow one
            runs = [self._run(client, load, job, open_files, idle=True) for _ in range(times)]
            self._idle[key] = min(runs, key=lambda run: run.seconds)
        return self._idle[key]

    def _run(self, client: Client, load: Load, job: Path, open_files: int, *, idle: bool) -> _Ended:
        launch = [sys.executable, "-I", "-S", str(_LAUNCH), str(open_files)]
        command = [*self._prefix, *launch, *client.start(job, idle)]
        environment = {**self._environment, **load.environment}
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, process_group=0)
        try:
            stdout, stderr = process.communicate(timeout=_TIMEOUT_SECONDS)
        except BaseException as reason:
            os.killpg(process.pid, signal.SIGKILL)  # the client is a child of the launcher
            process.communicate()
            if isinstance(reason, subprocess.TimeoutExpired):
                raise UploadFailed(f"not done after {_TIMEOUT_SECONDS:g} s") from None
            raise
        output, _, last = stdout.rstrip().rpartition("\n")
        seconds, cpu, kib, status = last.split()
        if status != "0":
            words = (stderr.strip().splitlines() or [f"exit status {status}"])[-1]
            raise UploadFailed("ended by the system" if status.startswith("-") else words)
        return _Ended(float(seconds), float(cpu), int(kib) * 1024, output.strip())

    @staticmethod
    def _check(client: Client, load: Load, outcomes: list[str] | None, seen: Counters) -> None:
        """Every byte of every file has arrived, and of the rest of a body (headers of parts) a plausible number."""
        content = sum(size for _, size in load.listing) * len(load.items)
        rest = 2000 * len(load.items) + 400 * sum(len(item.files) for item in load.items)
        if seen.uploads < len(load.items) or not content <= seen.upload_bytes <= content + rest:
            raise UploadFailed(f"{seen.uploads} uploads with {seen.upload_bytes} bytes have arrived, of {content}")
        if client.is_ours and outcomes != ["created"]:
            raise UploadFailed(f"outcome {outcomes}")


@dataclass
class Bout:
    """One client with one load, over all rounds.

    :ivar share: what its time, processor time and requests are multiplied by, when it is given a part of the items.
    """

    client: Client
    load: Load
    share: float = 1
    note: str = ""
    samples: dict[int, Sample] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._open_files = USUAL_OPEN_FILES
        self._given_up = self.client.missing is not None
        self.note = self.client.missing or self.note

    def go(self, number: int, meter: Meter, scheme: str) -> None:
        """Let it run once. A client that runs out of open files is allowed more, and its note says so."""
        while not self._given_up:
            try:
                self.samples[number] = meter.measure(self.client, self.load, scheme, open_files=self._open_files)
                return
            except UploadFailed as failure:
                if "Too many open files" in str(failure) and self._open_files == USUAL_OPEN_FILES:
                    self._open_files = RAISED_OPEN_FILES
                    self.note = f"FAILS at {USUAL_OPEN_FILES:,} open files; measured with {RAISED_OPEN_FILES:,}"
                else:
                    self.fail(str(failure))

    def fail(self, words: str) -> None:
        """Show a failure in the place of its figures."""
        self._given_up, self.note = True, f"FAILED: {words}"
        self.samples.clear()

    def expect(self, right: Callable[[Sample], bool]) -> None:
        """Fail unless what the client reports and the server has seen is right in every round."""
        wrong = next((sample for sample in self.samples.values() if not right(sample)), None)
        if wrong is not None:
            self.fail(f"{wrong.told}, {wrong.seen}")

    def median(self, figure: Callable[[Sample], float]) -> float | None:
        """Return the median of a figure over the rounds."""
        return statistics.median(map(figure, self.samples.values())) if self.samples else None

    def row(self, base: Bout, items: int = 1) -> Row:
        """Sum up; requests are divided by the items."""
        if not self.samples:
            return Row(self.client.name, note=self.note)
        samples = self.samples.values()
        requests = statistics.median(sample.seen.requests for sample in samples) * self.share / items
        return Row(
            self.client.name,
            list(self.seconds.values()),
            ratio(self.seconds, base.seconds),
            statistics.median(sample.cpu for sample in samples) * self.share,
            int(statistics.median(sample.memory for sample in samples)),
            requests or None,
            self.note,
        )

    def bound(self, what: str, seconds: float, requests: float | None = None) -> Row:
        """Return a row for a time that was computed, compared with this client's."""
        return Row(what, [seconds], ratio(dict.fromkeys(self.seconds, seconds), self.seconds), requests=requests)

    @property
    def seconds(self) -> dict[int, float]:
        """Seconds by round, for all items."""
        return {number: sample.seconds * self.share for number, sample in self.samples.items()}
