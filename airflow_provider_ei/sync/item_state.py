"""The state that this package keeps in a data item's metadata, so that any worker can continue another worker's upload.

The state is a JSON object under one key, ``airflow_ei``. A user of Studio sees one line, and a service that merges
metadata cannot mix two versions of the state. The state names its item and dataset and is valid only there: an item
that somebody renamed or moved, or to which somebody copied this metadata, does not count as ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import msgspec

from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.studio.spelling import may_be_stored_as
from airflow_provider_ei.sync.digest import canonical, item_digest
from airflow_provider_ei.sync.metadata import INJECTED_KEY, STATE_KEY

#: Version of the JSON object. Other versions are not read, so the item does not count as ours.
VERSION = 1

_TEXTS = (
    "run",
    "digest",
    "files",
    "sync",
    "fingerprint",
    "origin",
    "created_with",
    "stored_name",
    "stored_dataset",
    "stored_files",
)


@dataclass(frozen=True)
class ItemState:
    """The state of an item's upload.

    :ivar name: the data item's name, as the user gave it.
    :ivar dataset: the dataset's name, as the user gave it.
    :ivar state: ``pending`` until a listing shows all files, then ``complete``.
    :ivar run: the run that wrote the state.
    :ivar keys: the metadata keys that we wrote; all other keys belong to somebody else and are kept.
    :ivar digest: digest of files and metadata, when complete.
    :ivar files: digest of the files alone, when complete.
    :ivar sync: the dataset sync that the item belongs to, if any.
    :ivar fingerprint: digest of the names, sizes and versions that the source's files had when they were uploaded.
    :ivar origin: the mapped task and DAG run that wrote the state.
    :ivar created_with: digest of the request that created the item, while the item is pending.
    :ivar stored_name: how the service spells ``name``, if differently.
    :ivar stored_dataset: how the service spells ``dataset``, if differently.
    :ivar stored_files: digest of the file names as the service spells them, if differently.
    """

    name: str
    dataset: str
    state: Literal["pending", "complete"]
    run: str | None = None
    keys: frozenset[str] = frozenset()
    digest: str | None = None
    files: str | None = None
    sync: str | None = None
    fingerprint: str | None = None
    origin: str | None = None
    created_with: str | None = None
    stored_name: str | None = None
    stored_dataset: str | None = None
    stored_files: str | None = None

    @property
    def complete(self) -> bool:
        """Whether an upload by this package has finished and none has started since."""
        return self.state == "complete"

    @classmethod
    def of(cls, item: DataItem) -> ItemState | None:
        """Read the state of a listed item; None when this package has not written a state for it.

        A name may differ in what services normalize, unless the state says how the service spells it.
        """
        state = _parse(item.metadata.get(STATE_KEY, ""))
        if state is None:
            return None
        if state._is_certainly(item):
            return state
        told = state.stored_name is not None or state.stored_dataset is not None
        alike = may_be_stored_as(state.name, item.name) and may_be_stored_as(state.dataset, item.dataset)
        return state if alike and not told else None

    @classmethod
    def certain(cls, item: DataItem) -> ItemState | None:
        """Read the state of a listed item that has exactly the name and dataset for which it was written.

        Use this for what cannot be undone: it excludes items that were renamed, even to another spelling.
        """
        state = cls.of(item)
        return state if state is not None and state._is_certainly(item) else None

    @classmethod
    def written_by(cls, item: DataItem, run: str) -> ItemState | None:
        """Read the state of an item that this run created, even if the service changed its name."""
        state = _parse(item.metadata.get(STATE_KEY, ""))
        return state if state is not None and state.run == run else None

    def stored_as(self, item: DataItem, stored_files: str | None) -> ItemState:
        """Return the state with the names of this item as the service spells them."""
        return replace(
            self,
            stored_name=None if item.name == self.name else item.name,
            stored_dataset=None if item.dataset == self.dataset else item.dataset,
            stored_files=stored_files,
        )

    def names_stored_item(self, item: DataItem) -> bool:
        """Return whether the state has the exact names of this item as the service spells them."""
        return self.stored_name == (None if item.name == self.name else item.name) and self.stored_dataset == (
            None if item.dataset == self.dataset else item.dataset
        )

    def text(self) -> str:
        """Return the value of the metadata key: canonical JSON, without unknown values."""
        facts: dict[str, Any] = {key: value for key in _TEXTS if (value := getattr(self, key)) is not None}
        known = {"version": VERSION, "name": self.name, "dataset": self.dataset, "state": self.state}
        return canonical(known | facts | {"keys": sorted(self.keys)}).decode(errors="surrogatepass")

    def _is_certainly(self, item: DataItem) -> bool:
        spelled = (self.stored_name or self.name, self.stored_dataset or self.dataset)
        return (item.name, item.dataset) == spelled


def pending_metadata(
    item: DataItem | None,
    wanted: Mapping[str, str],
    state: ItemState,
) -> dict[str, str]:
    """Return the complete metadata of an item that this run is uploading.

    A new item (``item`` is None) gets the user's metadata at once. On an existing item, the metadata change last.

    :param state: names, run, sync and origin of the upload.
    """
    if item is None:
        pending = replace(state, keys=frozenset(wanted))
        return {**wanted, STATE_KEY: pending.text()}
    before = ItemState.of(item)
    pending = replace(state, keys=frozenset() if before is None else before.keys)
    return {**without_injected(item.metadata), STATE_KEY: pending.text()}


def complete_metadata(item: DataItem | None, wanted: Mapping[str, str], state: ItemState) -> dict[str, str]:
    """Return the complete metadata of an item that has this content.

    Keys that others wrote are kept. Keys that we wrote earlier and no longer want are left out. If the service merges
    metadata, the next listing still has them; they are then sent as empty strings, since they cannot be removed.

    :param state: digests, names, run, sync, fingerprint and origin of the upload.
    """
    listed = {} if item is None else item.metadata
    before = None if item is None else ItemState.of(item)
    keys = frozenset() if before is None else before.keys
    stale = frozenset() if item is None else stale_keys(item, wanted)
    foreign = {key: value for key, value in without_injected(listed).items() if key not in keys and key != STATE_KEY}
    blank = dict.fromkeys(stale, "") if before is not None and before.digest == state.digest else {}
    complete = replace(state, keys=stale.union(wanted))
    return {**foreign, **blank, **wanted, STATE_KEY: complete.text()}


def without_injected(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return metadata without the key that the service itself adds."""
    return {key: value for key, value in metadata.items() if key != INJECTED_KEY}


def stale_keys(item: DataItem, wanted: Mapping[str, str]) -> frozenset[str]:
    """Return the keys that we wrote, no longer want, and that still have a value."""
    state = ItemState.of(item)
    keys = frozenset() if state is None else state.keys
    return frozenset(key for key in keys - wanted.keys() if item.metadata.get(key))


def carries(item: DataItem, wanted: Mapping[str, str]) -> bool:
    """Return whether a listed item has every wanted value, and no value of ours that is no longer wanted."""
    return all(item.metadata.get(key) == value for key, value in wanted.items()) and not stale_keys(item, wanted)


def certifies(item: DataItem, state: ItemState) -> bool:
    """Return whether a complete item still has the metadata that were written with its digest.

    An empty string is either a user's value, or replaces a value that a service that merges metadata cannot remove.
    """
    ours = {key: item.metadata[key] for key in state.keys if key in item.metadata}
    given = {key: value for key, value in ours.items() if value}
    files = state.files or ""
    return state.digest == item_digest(files, ours) or (given != ours and state.digest == item_digest(files, given))


def creation_digest(files: Iterable[tuple[str, int]], metadata: Mapping[str, str]) -> str:
    """Return a digest of a request that creates an item.

    :param files: pairs of name and size in bytes.
    :param metadata: the item's metadata; our own key and the one that the service adds are ignored.
    """
    user = {key: value for key, value in without_injected(metadata).items() if key != STATE_KEY}
    return hashlib.sha256(canonical([sorted(files), user])).hexdigest()


def _read_json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return json.loads(text) if text else None  # accepts more, such as escapes of lone surrogates


@lru_cache(maxsize=256)  # a plan reads the state of one item several times in a row
def _parse(text: str) -> ItemState | None:
    try:
        value = _read_json(text)
    except (ValueError, RecursionError):
        return None  # there is no state, or somebody has edited it
    if (
        not isinstance(value, dict)
        or value.get("version") != VERSION
        or value.get("state") not in ("pending", "complete")
    ):
        return None
    strings = {key: value.get(key) for key in _TEXTS}
    keys = value.get("keys")
    required = (value.get("name"), value.get("dataset"))
    if not all([isinstance(one, str) for one in required]) or not isinstance(keys, list):
        return None
    if not all([one is None or isinstance(one, str) for one in strings.values()]):
        return None
    complete = value["state"] == "complete"
    if complete and None in (strings["digest"], strings["files"]):
        return None
    return ItemState(
        name=value["name"],
        dataset=value["dataset"],
        state=value["state"],
        keys=frozenset(key for key in keys if isinstance(key, str)),
        **strings,
    )
