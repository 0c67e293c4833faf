"""Downloads the files of data items: each is there whole or not at all, and what is there is not downloaded again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_ei.downloads.names import check_distinct, relative_path
from airflow_provider_ei.downloads.targets import Bucket, LocalFolder
from airflow_provider_ei.exceptions import EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.models import UNKNOWN_SIZE, DataFile, DataItem
from airflow_provider_ei.sync.concurrency import run_in_threads

log = logging.getLogger(__name__)

Target = LocalFolder | Bucket

#: Files that are downloaded at once.
WORKERS = 8


@dataclass(frozen=True)
class Selection:
    """Which data items to download: one by its id or its name, or all that a dataset and a filter select."""

    data_id: int | None = None
    dataset: str | None = None
    name: str | None = None
    filter: str | None = None

    def __post_init__(self) -> None:
        if self.data_id is not None and (self.dataset or self.name or self.filter):
            raise EdgeImpulseInputError("Give data_id, or dataset with name or filter, not both.")
        if self.name and not self.dataset:
            raise EdgeImpulseInputError("Give dataset with name: names are unique only within a dataset.")
        if self.data_id is None and not (self.dataset or self.filter):
            raise EdgeImpulseInputError("Give data_id, dataset or filter: nothing says which data items to download.")
        if self.name and self.filter:
            raise EdgeImpulseInputError("Give name or filter, not both.")

    def find(self, api: OrganizationDataApi) -> Sequence[DataItem]:
        """Return the data items with their files.

        :raises EdgeImpulseInputError: when there is none of the name.
        """
        if self.data_id is not None:
            return [api.get_data_item(self.data_id)]
        if self.dataset and self.name:
            items = api.find_data_items(self.dataset, self.name)
            if not items:
                raise EdgeImpulseInputError(
                    f"Check name and dataset: dataset {self.dataset!r} has no data item {self.name!r}."
                )
            return items
        return api.list_data_items(self.dataset, filter=self.filter, with_files=True)


@dataclass
class DownloadCounts:
    """What a download did: numbers of data items and of files, and the bytes that were downloaded."""

    item_count: int = 0
    file_count: int = 0
    downloaded: int = 0
    unchanged: int = 0
    bytes: int = 0


def download(api: OrganizationDataApi, selection: Selection, target: Target) -> DownloadCounts:
    """Download the files of all selected data items, each as ``item/file``. Nothing is deleted.

    :raises EdgeImpulseInputError: before anything is downloaded, when a name cannot be used, or two collide.
    :raises EdgeImpulseFileError: when a file cannot be written, or changes meanwhile.
    """
    items = selection.find(api)
    files = [(relative_path(item.name, file.name), item.id, file) for item in items for file in item.files or ()]
    check_distinct(path for path, _, _ in files)
    counts = DownloadCounts(item_count=len(items), file_count=len(files))
    lock = threading.Lock()

    def work(piece: tuple[str, int, DataFile]) -> None:
        path, data_id, file = piece
        api.http.check_cancelled()
        if target.is_there(path, file):
            with lock:
                counts.unchanged += 1
            return
        size = _download_one(api, target, path, data_id, file)
        with lock:
            counts.downloaded += 1
            counts.bytes += size

    run_in_threads(files, work, workers=WORKERS, check=api.http.check_cancelled, interrupt=api.http.cancel)
    log.info(
        "%d data items, %d files: %d downloaded (%d bytes), %d unchanged, to %s.",
        *(counts.item_count, counts.file_count, counts.downloaded, counts.bytes, counts.unchanged, target.place),
    )
    return counts


def _download_one(api: OrganizationDataApi, target: Target, path: str, data_id: int, file: DataFile) -> int:
    with target.receive(path, file) as incoming:
        size = api.download_file(data_id, file.name, incoming.begin)
        if file.size not in (UNKNOWN_SIZE, size):
            raise EdgeImpulseFileError(
                f"Run the task again when nobody changes the data: {path!r} has {size} bytes, and {file.size} in the "
                "listing."
            )
    return size
