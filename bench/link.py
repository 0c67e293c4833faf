"""The same over a network: server and clients in two network namespaces, with a rate and a delay between them.

:mod:`bench.relay` adds the delay, since the kernels of many virtual machines have no ``tc netem``. Needs root and
``/dev/net/tun``; where that is not allowed, the table says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import material
from bench.clients.catalog import ADD_DATA, CURL, ENCODER, RCLONE, SNIPPET, SYNC_FOLDER, SYNC_ITEMS
from bench.measure import Bout, Load, Meter
from bench.results import Row, Table
from bench.sink import Sink
from bench.uploads import THREADS, format_bytes

RATE = 1e9
ROUND_TRIP = 0.020
_ADDRESSES = ("10.199.0.1", "10.199.0.2")
_TITLE = "1 Gbit/s and 20 ms to the server, TLS"


def run(folder: Path, sizes: material.Sizes, near: Meter) -> list[Table]:
    """Measure one large file, many items, and a first sync.

    :param near: the meter of the other parts.
    """
    near.tell(f"{_TITLE}: making the network")
    try:
        with _namespaces() as (server, client), Sink(folder / "far-server", _ADDRESSES[0], server) as sink:
            jobs = folder / "link"
            jobs.mkdir()
            return _measure(jobs, sizes, Meter(sink, jobs, near.rounds, near.tell, client))
    except _NotAllowedError as error:
        return [Table("link", _TITLE, [Row(ADD_DATA.name, note=f"left out: {error}")])]


def _measure(folder: Path, sizes: material.Sizes, meter: Meter) -> list[Table]:
    large = Load("large", material.one_large(folder, sizes.link))
    items = Load("items", material.tree(folder / "items", sizes.items, material.SMALL_BYTES, 1), THREADS)
    new_items = material.tree(folder / "new", sizes.new // 5, material.SMALL_BYTES)
    new = Load("new", new_items, THREADS, source=str(folder / "new"))
    many = f"{THREADS} at once"
    cases = (
        (f"One file of {format_bytes(sizes.link)}", large, (ADD_DATA, CURL, SNIPPET, ENCODER), sizes.link),
        (f"{sizes.items} items of 20 KB, {many}", items, (SYNC_ITEMS, CURL, SNIPPET), 0),
        (
            f"First sync of {len(new_items)} items of {material.FILES} files of 20 KB, {many}",
            new,
            (SYNC_FOLDER, SNIPPET, RCLONE),
            0,
        ),
    )
    tables = []
    for words, load, clients, size in cases:
        title = f"{words}, {_TITLE}"
        bouts = [Bout(client, load) for client in clients]
        meter.in_turn(bouts, title, "https")
        rows = [bout.row(bouts[0], len(load.items)) for bout in bouts]
        if size:
            rows.append(bouts[0].bound("the bytes alone, at this rate", size * 8 / RATE))
        tables.append(Table(f"link-{load.key}", title, rows, size=size))
    return tables


class _NotAllowedError(Exception):
    """The network cannot be made here."""


@contextmanager
def _namespaces() -> Iterator[tuple[list[str], list[str]]]:
    """Make two namespaces with a link between them; yield what a command for each of them begins with.

    :raises _NotAllowedError: where that is not allowed.
    """
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        raise _NotAllowedError("it needs root and /dev/net/tun")
    names = [f"bench-{side}-{os.getpid()}" for side in ("server", "client")]
    devices = [f"b{side}{os.getpid()}" for side in "sc"]
    command = [sys.executable, "-m", "bench.relay", *devices, str(RATE), str(ROUND_TRIP / 2)]
    relay = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert relay.stdout is not None
        if relay.stdout.readline() != "ready\n":
            raise _NotAllowedError("TUN devices cannot be made")
        for name, device, own, other in zip(names, devices, _ADDRESSES, _ADDRESSES[::-1], strict=True):
            _ip("netns", "add", name)
            _ip("link", "set", device, "netns", name)
            _ip("-n", name, "addr", "add", own, "peer", other, "dev", device)
            _ip("-n", name, "link", "set", device, "up", "txqueuelen", "1000")
            _ip("-n", name, "link", "set", "lo", "up")
        server, client = (["ip", "netns", "exec", name] for name in names)
        yield server, client
    finally:
        relay.kill()
        relay.wait()
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _ip(*words: str) -> None:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True)
    except FileNotFoundError:
        raise _NotAllowedError("ip is not installed") from None
    if done.returncode != 0:
        raise _NotAllowedError(done.stderr.strip())
