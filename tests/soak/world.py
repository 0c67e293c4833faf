"""The data: a synced folder that keeps changing, single items, and items of other users."""

from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path
from typing import Any

from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.sync.metadata import STATE_KEY
from tests.support.files import MadeUpFile

SYNCED, SINGLE = "synced", "single"
ITEMS, SINGLES = 60, 16


class World:
    """The files on this machine, and the data items that they must become in Studio."""

    def __init__(self, top: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self.folder, self._singles = top / SYNCED, top / SINGLE
        self._others: list[dict[str, Any]] = []
        for number in range(ITEMS):
            self._write(self.folder / f"item {number:03}")
        for number in range(SINGLES):
            self._write(self._singles / f"run {number:03}")

    def single_folders(self) -> list[Path]:
        """The folders that are uploaded as single items."""
        return sorted(self._singles.iterdir())

    def add_items_of_others(self, api: OrganizationDataApi) -> None:
        """Upload items as another user would."""
        for dataset in (SYNCED, SINGLE):
            for number in range(4):
                name, data = f"by hand {number}", f"{dataset} {number}".encode()
                metadata = {"who": "somebody"}
                files = [MadeUpFile("notes.txt", data)]
                api.add_data_item(name=name, dataset=dataset, metadata=metadata, files=files)
                digests = {"notes.txt": hashlib.sha256(data).hexdigest()}
                self._others.append({"name": name, "dataset": dataset, "metadata": metadata, "files": digests})

    def change(self) -> None:
        """Remove, add and rewrite some folders, as a nightly export does."""
        there = sorted(self.folder.iterdir())
        for folder in self._random.sample(there, min(len(there), 6)):
            shutil.rmtree(folder)
        for number in self._random.sample(range(ITEMS), 8):
            self._write(self.folder / f"item {number:03}")
        for number in self._random.sample(range(SINGLES), 4):
            self._write(self._singles / f"run {number:03}")

    def expected(self) -> list[dict[str, Any]]:
        """The data items that Studio must have: those of the folders, and unchanged items of others."""
        ours = [
            {
                "name": folder.name,
                "dataset": top.name,
                "metadata": {"source": top.name},
                "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()},
            }
            for top in (self.folder, self._singles)
            for folder in top.iterdir()
        ]
        return in_order([*ours, *self._others])

    def _write(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for number in range(self._random.randint(1, 3)):
            size = self._random.choice((0, 100, 5_000, 1_500_000 if number == 0 else 20_000))
            (folder / f"part {number}.csv").write_bytes(self._random.randbytes(size))


def in_order(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort items, without the metadata key of this package."""
    shown = [
        item | {"metadata": {key: value for key, value in item["metadata"].items() if key != STATE_KEY and value}}
        for item in items
    ]
    return sorted(shown, key=lambda item: (item["dataset"], item["name"], str(item)))
