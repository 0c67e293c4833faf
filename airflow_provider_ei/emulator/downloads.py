"""Downloads of the API: one file, or the files of an item in an archive."""

from __future__ import annotations

import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, BinaryIO
from urllib.parse import quote

from airflow_provider_ei.emulator.emulator_settings import Archive
from airflow_provider_ei.emulator.filter_sql import SqlCondition
from airflow_provider_ei.emulator.item_catalog import ItemCatalog
from airflow_provider_ei.emulator.stored_data import StoredItemFile

CHUNK_BYTES = 1 << 20
_CONTENT_TYPES: dict[Archive, str] = {"zip": "application/zip", "tar": "application/x-tar"}
_SPOOL_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Download:
    """``size`` bytes from the position of ``stream``. The sender closes the stream."""

    stream: IO[bytes]
    size: int
    content_type: str
    file_name: str

    def headers(self) -> dict[str, str]:
        """Return the headers of the response."""
        return {
            "content-type": self.content_type,
            "content-length": str(self.size),
            "content-disposition": f"attachment; filename*=UTF-8''{quote(self.file_name, safe='')}",
        }


def download_file(catalog: ItemCatalog, item_id: int, name: str) -> Download:
    """Return one file as bytes, regardless of the content type of its upload.

    :raises StoreError: if the item or the file does not exist.
    """
    file, stream = catalog.open_file(item_id, name)
    return Download(stream, file.size, "application/octet-stream", name)


def download_item(catalog: ItemCatalog, item_id: int, condition: SqlCondition, archive: Archive) -> Download:
    """Return the files of an item that a condition selects, in one archive.

    :raises StoreError: if the item does not exist or does not meet the condition.
    """
    item = catalog.item(item_id, condition)
    spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115
    files = catalog.open_files(item_id, condition)
    try:
        if archive == "zip":
            _write_zip(spool, files)
        else:
            _write_tar(spool, files, item.bucket_path)
        size = spool.tell()
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    return Download(spool, size, _CONTENT_TYPES[archive], f"{item.name}.{archive}")


def _write_zip(target: IO[bytes], files: Iterable[tuple[StoredItemFile, BinaryIO]]) -> None:
    names = MemberNames()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file, stream in files:
            with archive.open(names.add(file.name), "w", force_zip64=True) as member:
                _copy(stream, member, file.size)


def _write_tar(target: IO[bytes], files: Iterable[tuple[StoredItemFile, BinaryIO]], folder: str) -> None:
    names = MemberNames()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file, stream in files:
            member = tarfile.TarInfo(names.add(f"{folder}/{file.name}"))
            member.size = file.size
            member.mtime = int(datetime.fromisoformat(file.modified).timestamp())
            archive.addfile(member, stream)


class MemberNames:
    """Names for the members of an archive, so that unpacking gives every file, all of them inside one folder.

    A name is changed if it leads out of the folder, equals an earlier one, or equals the folder of another.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._folders: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def add(self, name: str) -> str:
        """Return the name of the next member."""
        parts = name.replace("\\", "/").replace("\0", "_").split("/")
        *folders, last = [part for part in parts if part not in ("", ".", "..")] or ["_"]
        path = ""
        for folder in folders:
            path += folder
            if path not in self._folders:
                self._folders[path] = self._free(path)
            path = f"{self._folders[path]}/"
        return self._free(path + last)

    def _free(self, name: str) -> str:
        stem, dot, suffix = name.rpartition(".")
        if not stem or "/" in suffix:
            stem, dot, suffix = name, "", ""
        free = name
        while free in self._taken:
            number = self._numbers[name] = self._numbers.get(name, 1) + 1
            free = f"{stem} ({number}){dot}{suffix}"
        self._taken.add(free)
        return free


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> None:
    while size:
        chunk = source.read(min(CHUNK_BYTES, size))
        if not chunk:
            raise EOFError("the file on disk is shorter than it was")
        target.write(chunk)
        size -= len(chunk)
