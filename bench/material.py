"""The files that are uploaded: real bytes in a temporary folder, read once so that they come from memory."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

from bench.clients.job import Item

_BLOCK = 1 << 20
MANY_BYTES = 4096
SMALL_BYTES = 20 * 1024

#: Files of an item of a synced dataset, and their bytes where they are not sent.
FILES = 10
TINY_BYTES = 16


@dataclass(frozen=True)
class Sizes:
    """How much is uploaded.

    :ivar large: bytes of the one large file.
    :ivar many: files of the one item of many.
    :ivar items: items of one small file each.
    :ivar new: items of ten files in a first sync.
    :ivar idle: items of ten files in datasets without a change, ascending.
    :ivar emulated: items of ten files in the emulator.
    :ivar samples: samples that are uploaded to a project.
    :ivar objects: objects in a bucket.
    :ivar link: bytes of the file that goes over the emulated network.
    :ivar mapped: mapped tasks in real Airflow.
    :ivar page: the part of the full history behind Airflow's page.
    """

    large: int
    many: int
    items: int
    new: int
    idle: tuple[int, ...]
    emulated: int
    samples: int
    objects: int
    link: int
    mapped: int
    page: float


FULL = Sizes(1_000_000_000, 10_000, 400, 1_000, (10_000, 100_000, 1_000_000), 100_000, 5_000, 2_500, 500_000_000, 40, 1)
QUICK = Sizes(100_000_000, 1_000, 50, 100, (1_000, 10_000), 1_000, 500, 50, 25_000_000, 5, 0.05)


def item_name(number: int) -> str:
    """Return an item's name; the server's copies have the same (``sink.c``)."""
    return f"item-{number:07}"


def one_large(folder: Path, size: int) -> list[Item]:
    """Make one item of one file: a block of random bytes, repeated."""
    block = random.Random(1).randbytes(_BLOCK)
    path = folder / f"large-{size}.bin"
    with path.open("wb") as out:
        for start in range(0, size, _BLOCK):
            out.write(block[: size - start])
    with path.open("rb", buffering=0) as back:
        while back.read(_BLOCK):
            pass
    return [Item("large", [str(path)])]


def many_in_one(folder: Path, files: int) -> list[Item]:
    """Make one item of many files of 4 KB."""
    (folder / "many").mkdir()
    paths = [folder / "many" / f"{number:06}.bin" for number in range(files)]
    for path in paths:
        path.write_bytes(os.urandom(MANY_BYTES))
    return [Item("many", [str(path) for path in paths], str(folder / "many"))]


def tree(folder: Path, items: int, size: int, files: int = FILES) -> list[Item]:
    """Make a folder of items, each a folder of files of that size."""
    names = [f"{number:02}.bin" for number in range(files)]
    made = []
    for number in range(items):
        item = folder / item_name(number)
        item.mkdir(parents=True)
        for name in names:
            (item / name).write_bytes(os.urandom(size))
        made.append(Item(item.name, [str(item / name) for name in names], str(item)))
    return made


def link_items(folder: Path, items: int) -> None:
    """Fill a folder of one item up to very many: links to the first.

    A million folders of ten files would take an hour and 50 GB. Every item is listed and each of its files is looked at
    as if it were one of its own.
    """
    target = item_name(0)
    for number in range(1, items):
        os.symlink(target, f"{folder}/{item_name(number)}")


def replace_link(folder: Path, number: int) -> None:
    """Put a folder with other files in the place of a link."""
    path = folder / item_name(number)
    path.unlink()
    tree(path.parent / ".made", 1, TINY_BYTES)
    os.rename(path.parent / ".made" / item_name(0), path)
