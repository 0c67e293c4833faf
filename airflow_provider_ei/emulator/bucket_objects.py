"""Objects that others put into a bucket, or remove from it, without the API: a refresh finds them."""

from __future__ import annotations

from collections import defaultdict

from airflow_provider_ei.emulator.item_store import ItemStore
from airflow_provider_ei.emulator.stored_data import StoredItem


class BucketObjects:
    """The changes of buckets by others. Not safe to use from several threads."""

    def __init__(self) -> None:
        self._objects: dict[int, dict[str, bytes]] = defaultdict(dict)
        self._removed: dict[int, set[str]] = defaultdict(set)

    def put(self, bucket_id: int, key: str, data: bytes) -> None:
        """Put an object into a bucket."""
        self._objects[bucket_id][key] = data
        self._removed[bucket_id].discard(key)

    def remove(self, bucket_id: int, key: str) -> None:
        """Remove an object from a bucket, also one that an upload has put there."""
        self._objects[bucket_id].pop(key, None)
        self._removed[bucket_id].add(key)

    def scan(self, store: ItemStore, dataset: str, bucket_id: int, path: str, levels: int, *, remove: bool) -> None:
        """Make the items of a dataset equal to the objects below a path.

        :param path: without slashes at its ends.
        :param levels: how many folders below the path make the name of an item.
        :param remove: whether files whose objects are gone are removed, and items without files.
        """
        items = {item.name: item for item in store.items_of(dataset)}
        for name, files in self._found(bucket_id, path, levels).items():
            _add(store, dataset, bucket_id, f"{path}/{name}".strip("/"), name, items.get(name), files)
        if not remove:
            return
        for item in items.values():
            gone = [file.name for file in item.files if f"{item.bucket_path}/{file.name}" in self._removed[bucket_id]]
            if gone and len(gone) == len(item.files):
                store.delete_item(item.id)
            else:
                for name in gone:
                    store.delete_file(item.id, name)

    def clear(self) -> None:
        """Forget all objects."""
        self._objects.clear()
        self._removed.clear()

    def _found(self, bucket_id: int, path: str, levels: int) -> dict[str, dict[str, bytes]]:
        prefix = f"{path}/".lstrip("/")
        found: dict[str, dict[str, bytes]] = defaultdict(dict)
        for key, data in self._objects[bucket_id].items():
            parts = key.removeprefix(prefix).split("/")
            if key.startswith(prefix) and len(parts) > levels:
                found["/".join(parts[:levels])]["/".join(parts[levels:])] = data
        return found


def _add(
    store: ItemStore,
    dataset: str,
    bucket_id: int,
    path: str,
    name: str,
    item: StoredItem | None,
    files: dict[str, bytes],
) -> None:
    there = {} if item is None else {file.name: file.size for file in item.files}
    missing = {file: data for file, data in files.items() if there.get(file) != len(data)}
    if not missing:
        return
    upload = store.new_upload()
    for file, data in missing.items():
        upload.begin_file()
        upload.write(memoryview(data))
        upload.end_file(file, "application/octet-stream")
    upload.close()
    if item is None:
        store.add_item(name, dataset, {}, upload, duplicate_names="new_id", bucket_id=bucket_id, bucket_path=path)
    else:
        store.add_files(item.id, upload)
