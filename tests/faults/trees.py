"""Sources for syncs, and the checks that the dataset must pass after one."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_ei.emulator import StoredItem
from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseSyncError
from airflow_provider_ei.results import SyncSummary
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.sync.dataset import sidecar
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.dataset.source_index import SourceIndex
from airflow_provider_ei.sync.dataset.sync import DatasetSync
from airflow_provider_ei.sync.dataset.tree import Tree
from tests.support.files import MadeUpFile
from tests.support.items import complete

from .lab import DATASET, Content, FaultLab, Item, State, is_lie

SYNC_ID = "nightly"


@dataclass
class VersionedFile(MadeUpFile):
    """A file in memory that can be told to have changed without reading it."""

    version: str | None = None


@dataclass(frozen=True)
class Folder:
    """The expected content of a data item, and the version that distinguishes its files from earlier ones."""

    content: Content
    version: str | None = "1"


#: The data items that a dataset is to hold, by name.
Folders = Mapping[str, Folder]

_RAW = {"raw.csv": b"t,x\n0,1\n"}
_ALIKE_A = {"1.csv": b"first, a\n", "2.csv": b"second, a\n", "3.csv": b"third, a\n"}
_ALIKE_B = {"1.csv": b"FIRST, B\n", "2.csv": b"SECOND, B\n", "3.csv": b"THIRD, B\n"}

#: From one to the other, an item's bytes change and not their number; one is renamed; one has other metadata; one was
#: only touched; one stays as it is. And back again, to the times that its files have had before.
TREES: Mapping[str, Folders] = {
    "A": {
        "run changed": Folder(Content(_ALIKE_A, {"run": "a", "only_a": "1"}), "a"),
        "run gone": Folder(Content(_RAW, {"machine": "pump 7"})),
        "run metadata": Folder(Content({"raw.csv": b"t,x\n1,1\n"}, {"site": "a", "only_a": "1"})),
        "run same": Folder(Content({"raw.csv": b"t,x\n2,1\n", "empty.csv": b""}, {})),
        "run touched": Folder(Content({"raw.csv": b"t,x\n3,1\n"}, {"site": "a"}), "a"),
    },
    "B": {
        "run changed": Folder(Content(_ALIKE_B, {"run": "b", "only_b": "ü"}), "b"),
        "run metadata": Folder(Content({"raw.csv": b"t,x\n1,1\n"}, {"site": "b", "only_b": "ü"})),
        "run new": Folder(Content(_RAW, {"machine": "pump 7"})),
        "run same": Folder(Content({"raw.csv": b"t,x\n2,1\n", "empty.csv": b""}, {})),
        "run touched": Folder(Content({"raw.csv": b"t,x\n3,1\n"}, {"site": "a"}), "b"),
    },
}
#: Bytes; of the items, only the one whose files change is larger, so that it takes several requests.
SMALL_ITEM_BYTES = 20

_LONG_AGO = 1_700_000_000
_NAMES = {name for tree in TREES.values() for name in tree}

#: What is nobody's business here.
FOREIGN: State = (
    Item.of("run by hand", DATASET, {"who": "somebody"}, _RAW),
    Item.of("run uploaded", DATASET, complete(_RAW, {"machine": "pump 1"}, name="run uploaded"), _RAW),
    Item.of("run of others", DATASET, complete(_RAW, {}, name="run of others", sync="weekly"), _RAW),
    Item.of("run gone", "another", complete(_RAW, {}, name="run gone", dataset="another", sync=SYNC_ID), _RAW),
)


def source(folders: Folders) -> list[SourceItem]:
    """What a look at the folders finds."""
    return [
        SourceItem(
            name,
            [VersionedFile(file, data, version=folder.version) for file, data in folder.content.files.items()],
            dict(folder.content.metadata),
        )
        for name, folder in sorted(folders.items())
    ]


def sync(api: OrganizationDataApi, folders: Folders, workers: int = 1) -> SyncSummary:
    """One run of the product."""
    return sync_source(api, source(folders), workers)


def sync_source(api: OrganizationDataApi, items: list[SourceItem], workers: int = 1) -> SyncSummary:
    options = SyncOptions(dataset=DATASET, sync_id=SYNC_ID, delete="extra", max_delete="100%", workers=workers)
    return DatasetSync(api, SourceIndex.of(Tree(items)), options).run()


def write(folders: Folders, source: Path) -> None:
    """Write them to a local folder: modification times serve as versions, and sidecars hold the metadata."""
    shutil.rmtree(source, ignore_errors=True)
    for name, folder in folders.items():
        sidecar_content = {"version": 1, "action": "add", "metadata": dict(folder.content.metadata)}
        files = {**folder.content.files, sidecar.NAME: json.dumps(sidecar_content).encode()}
        for file, data in files.items():
            path = source / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            version = data if file == sidecar.NAME else (folder.version or "").encode()
            os.utime(path, (_LONG_AGO, _LONG_AGO + zlib.crc32(version) % 1_000_000))


def problem(lab: FaultLab, folders: Folders) -> str | None:
    """Say in what the server's data differ from these data items and what is foreign; None when in nothing."""
    there = _ours(lab)
    for name, folder in folders.items():
        if what := lab.problem(folder.content, there.get(name, [])):
            head, _, rest = what.partition(":")
            return f"{head}: {name}{rest}"
    if extra := there.keys() - folders.keys():
        return f"not deleted: {extra}"
    return changed_foreign(lab)


def damage(lab: FaultLab, folders: Folders, before: State, error: EdgeImpulseError | None) -> str | None:
    """Say what a run has done that it must not do, also when it has failed."""
    there = _ours(lab)
    known = {name: [tree[name].content for tree in TREES.values() if name in tree] for name in _NAMES}
    for name, items in there.items():
        if any(is_lie(lab.server, item, known[name]) for item in items):
            return f"wrong content: {name} is marked as complete"
    was = {item.name for item in before if item.dataset == DATASET} & _NAMES
    if gone := (was & folders.keys()) - there.keys():
        return f"lost: {gone}"
    extra = was - folders.keys()
    if error is not None and extra - there.keys():
        # A deletion may fail while another succeeds; any other failure must have stopped the run before.
        failures = error.summary["failures"] if isinstance(error, EdgeImpulseSyncError) else None
        if failures is None or {failure["name"] for failure in failures} - extra:
            return f"deleted in a run with failures: {extra - there.keys()}"
    return changed_foreign(lab)


def _ours(lab: FaultLab) -> dict[str, list[StoredItem]]:
    there: dict[str, list[StoredItem]] = {}
    for item in lab.server.items(DATASET):
        if item.name in _NAMES:
            there.setdefault(item.name, []).append(item)
    return there


def changed_foreign(lab: FaultLab, besides: Sequence[int] = ()) -> str | None:
    others = [
        item
        for stored, item in zip(lab.server.items(), lab.state(), strict=True)
        if (item.dataset != DATASET or item.name not in _NAMES) and stored.id not in besides
    ]
    changed = Counter(others) - Counter(FOREIGN) + (Counter(FOREIGN) - Counter(others))
    return f"foreign changed: {[item.name for item in changed]}" if changed else None
