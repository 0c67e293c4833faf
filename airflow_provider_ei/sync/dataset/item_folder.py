"""Reads the folder of one data item."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_ei.sources import content_types
from airflow_provider_ei.sources.folders import Entry, Folder, find_visible
from airflow_provider_ei.sources.ignore import Filter
from airflow_provider_ei.sources.source_file import SourceFile
from airflow_provider_ei.sync.dataset import sidecar


@dataclass(frozen=True)
class ItemRules:
    """Rules for which folders are items.

    :ivar depth: how many levels below the source the items' folders are.
    :ivar takes: filter for the files to include.
    """

    depth: int
    takes: Filter


class ItemFolder:
    """The files in the folder of a data item.

    :ivar seen: whether the folder has anything visible except the metadata file.
    """

    def __init__(self, folder: Folder, name: str, takes: Filter) -> None:
        self._folder = folder
        self._name = name
        self._takes = takes
        self.files: list[SourceFile] = []
        self.sidecar: SourceFile | None = None
        self.seen = False

    def read(self, *, only_first: bool = False) -> None:
        """Pin every file.

        :param only_first: stop at the first included file.
        :raises EdgeImpulseError: when something cannot be listed, read or uploaded.
        """
        takes_all = self._takes.takes_all
        for name, entry in find_visible(self._folder, lambda folder: self._takes.enters(f"{self._name}/{folder}")):
            is_sidecar = name == sidecar.NAME and not entry.is_folder
            self.seen = self.seen or not is_sidecar
            if takes_all or is_sidecar or self._is_taken(f"{self._name}/{name}", entry):
                file = self._folder.storage.pin(entry, name, content_types.guess(name))
                if is_sidecar:
                    self.sidecar = file
                else:
                    self.files.append(file)
                    if only_first:
                        return

    def _is_taken(self, path: str, entry: Entry) -> bool:
        if entry.is_folder:
            return False
        if entry.error is not None and not self._takes.enters(path):
            return False  # unknown kind: excluded if a folder of this name would be excluded
        return entry.error is not None or self._takes.takes(path)
