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


@dataclass(frozen=True)
class Sizes:
    """How much is uploaded: one file of ``size`` bytes, one item of ``files``, and ``items`` of one file each."""

    size: int
    files: int
    items: int

    @property
    def total(self) -> int:
        """Bytes on disk, at 4 KiB and more a file."""
        return self.size + self.files * MANY_BYTES + self.items * SMALL_BYTES


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
