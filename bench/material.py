"""The files that are uploaded: real bytes, in a temporary folder, read once so that they come from memory."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from bench.clients.job import Item

_BLOCK = 1 << 20
MANY_BYTES = 4096
SMALL_BYTES = 20 * 1024

#: Of an item of a dataset that is kept in step, and their bytes where it is not sent.
FILES = 10
TINY_BYTES = 1024


@dataclass(frozen=True)
class Sizes:
    """How much is uploaded: one file of ``size`` bytes, one item of ``files``, and ``items`` of one file each.

    Of syncs: how many items of ten files are ``new``, are ``kept`` in step, and are ``planned`` most.
    """

    size: int
    files: int
    items: int
    new: int
    kept: int
    planned: int

    @property
    def total(self) -> int:
        """Bytes on disk, at 4 KiB and more a file."""
        alone = self.size + self.files * MANY_BYTES + self.items * SMALL_BYTES
        return alone + FILES * (self.new * SMALL_BYTES + self.kept * 4096)


def check_room(folder: Path, sizes: Sizes) -> None:
    """End the run when the disk is too small.

    :raises SystemExit: saying what is missing.
    """
    free = shutil.disk_usage(folder).free
    if free < sizes.total * 1.1 + 200e6:
        raise SystemExit(
            f"{sizes.total / 1e9:.1f} GB and some room are needed in {folder}; {free / 1e9:.1f} GB are free."
        )


def one_large(folder: Path, size: int) -> list[Item]:
    """Make one item of one file: a block of random bytes, over and over."""
    block = random.Random(1).randbytes(_BLOCK)
    path = folder / "large.bin"
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


def many_items(folder: Path, items: int) -> list[Item]:
    """Make many items of one file of 20 KB."""
    made = []
    for number in range(items):
        path = folder / "items" / f"{number:06}" / "motion.bin"
        path.parent.mkdir(parents=True)
        path.write_bytes(os.urandom(SMALL_BYTES))
        made.append(Item(f"item-{number:06}", [str(path)]))
    return made


def tree(folder: Path, size: int, items: int) -> list[Item]:
    """Make a folder of items, each a folder of ten files of that size."""
    names = [f"{number:02}.bin" for number in range(FILES)]
    made = []
    for number in range(items):
        item = folder / f"item-{number:06}"
        item.mkdir(parents=True)
        content = memoryview(os.urandom(size * FILES))
        for place, name in enumerate(names):
            (item / name).write_bytes(content[place * size : (place + 1) * size])
        made.append(Item(item.name, [str(item / name) for name in names], str(item)))
    return made


def change(item: Item) -> int:
    """Write other bytes into one of its files, as many as before; return how many bytes the whole item has."""
    path = Path(item.files[0])
    path.write_bytes(os.urandom(path.stat().st_size))
    return sum(os.path.getsize(file) for file in item.files)
