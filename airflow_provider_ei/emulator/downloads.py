"""What the API hands out as bytes: one file, or all files of an item as a ZIP."""

from __future__ import annotations

import tempfile
import zipfile
from dataclasses import dataclass
from typing import IO
from urllib.parse import quote

from airflow_provider_ei.emulator.catalog import Catalog

CHUNK_BYTES = 1 << 20
_SPOOL_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Download:
    """``size`` bytes from where ``stream`` stands. Whoever sends it closes the stream."""

    stream: IO[bytes]
    size: int
    content_type: str
    file_name: str

    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return {
            "content-type": self.content_type,
            "content-length": str(self.size),
            "content-disposition": f"attachment; filename*=UTF-8''{quote(self.file_name, safe='')}",
        }


def download_file(catalog: Catalog, item_id: int, name: str) -> Download:
    """One file, under the content type it was uploaded with.

    :raises StoreError: if there is no such item or file.
    """
    file, stream = catalog.open_file(item_id, name)
    # What a client wrote into a part's header need not be fit for a header of ours.
    fit = file.content_type.isascii() and file.content_type.isprintable()
    return Download(stream, file.size, file.content_type if fit else "application/octet-stream", name)


def download_item(catalog: Catalog, item_id: int) -> Download:
    """All files of an item as a ZIP.

    :raises StoreError: if there is no such item.
    """
    item = catalog.item(item_id)
    archive = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        for file, stream in catalog.open_files(item_id):
            with target.open(_member_name(file.name), "w", force_zip64=True) as member:
                _copy(stream, member, file.size)
    size = archive.tell()
    archive.seek(0)
    return Download(archive, size, "application/zip", f"{item.name}.zip")


def _member_name(name: str) -> str:
    # Who unpacks the ZIP must not have files put outside of the folder, whatever a file was called.
    parts = name.replace("\\", "/").replace("\0", "_").split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..")) or "_"


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> None:
    while size:
        chunk = source.read(min(CHUNK_BYTES, size))
        target.write(chunk)
        size -= len(chunk)
