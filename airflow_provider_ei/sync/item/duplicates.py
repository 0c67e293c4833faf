"""Decides whether a duplicate may be removed: only if it is provably a copy.

If the response to a creation is lost and the item is not listed, the creation is repeated. If the first request was
carried out after all, there are now two items: the duplicate is a copy or, if a killed run sent the request, an
unfinished item with exactly the content of that request. Any other item of the same name may be somebody's recording,
whatever its metadata say. Metadata can be copied, so the files' bytes are compared.
"""

from __future__ import annotations

import threading

from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.item.wanted import WantedItem
from airflow_provider_ei.sync.item_state import ItemState, creation_digest, without_injected
from airflow_provider_ei.sync.metadata import STATE_KEY


class Allowance:
    """A number of removals that all threads share."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """Take a number of removals; if fewer are left, take none and return False."""
        with self._lock:
            if count > self._left:
                return False
            self._left -= count
            return True


def is_copy(api: OrganizationDataApi, duplicate: DataItem, kept: DataItem, wanted: WantedItem) -> bool:
    """Return whether an item came from a repeated creation: all its content is also in the kept or the wanted item.

    An unfinished item with exactly the content of its creation also counts, because no upload ever marked it as
    complete. Metadata and sizes are compared first; the bytes are read from the service
    (``downloadOrganizationDataFile``).

    :param wanted: the wanted item, with the hashes of its files.
    :raises EdgeImpulseServiceError: when a file cannot be read.
    """

    def sha256(item: DataItem, name: str) -> str:
        return api.file_sha256(item.id, name)

    if _is_as_created(duplicate):
        return True
    for key, value in without_injected(duplicate.metadata).items():
        if key != STATE_KEY and value and value not in (kept.metadata.get(key), wanted.metadata.get(key)):
            return False
    kept_sizes = {file.name: file.size for file in kept.files or ()}
    wanted_names = wanted.correspondence(duplicate).names
    files = duplicate.files or ()
    in_wanted = {file.name: wanted.sizes.get(wanted_names.get(file.name, "")) == file.size for file in files}
    if not all(in_wanted[file.name] or kept_sizes.get(file.name) == file.size for file in files):
        return False
    for file in files:
        digest = sha256(duplicate, file.name)
        if in_wanted[file.name] and digest == wanted.hashes[wanted_names[file.name]]:
            continue
        if kept_sizes.get(file.name) != file.size or digest != sha256(kept, file.name):
            return False
    return True


def _is_as_created(item: DataItem) -> bool:
    state = ItemState.certain(item)
    if state is None or state.complete or state.created_with is None:
        return False
    return state.created_with == creation_digest(((file.name, file.size) for file in item.files or ()), item.metadata)


def same(one: DataItem, other: DataItem) -> bool:
    """Return whether two fetches of an item have the same name, dataset, metadata, file names and file sizes."""
    return _facts(one) == _facts(other)


def _facts(item: DataItem) -> tuple[object, ...]:
    files = sorted((file.name, file.size) for file in item.files or ())
    return item.id, item.name, item.dataset, item.metadata, files
