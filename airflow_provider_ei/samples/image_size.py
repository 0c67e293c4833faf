"""The size of a PNG or JPEG image, read from its first bytes."""

from __future__ import annotations

import os
from struct import unpack
from typing import BinaryIO

from airflow_provider_ei.sources.local import LocalFile
from airflow_provider_ei.sources.source_file import SourceFile

_PNG = b"\x89PNG\r\n\x1a\n"

#: Markers of a JPEG image that are followed by its size.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}

#: Markers without content.
_BARE = {0x01, *range(0xD0, 0xD9)}


def image_size(file: SourceFile) -> tuple[int, int] | None:
    """Return the width and height of an image on this machine in pixels; None if they are unknown.

    Images in an object store are not read for this, since that would take as long as uploading them.

    :raises EdgeImpulseFileError: when the file cannot be read.
    """
    if not isinstance(file, LocalFile):
        return None
    handle = file.open()
    try:
        head = handle.read(24)
        if head.startswith(_PNG) and len(head) == 24:
            width, height = unpack(">II", head[16:24])
            return width, height
        return _jpeg_size(handle) if head.startswith(b"\xff\xd8\xff") else None
    finally:
        handle.close()


def _jpeg_size(handle: BinaryIO) -> tuple[int, int] | None:
    handle.seek(2)
    while True:
        marker = handle.read(2)
        if len(marker) < 2 or marker[0] != 0xFF:
            return None
        if marker[1] == 0xFF:  # padding
            handle.seek(-1, os.SEEK_CUR)
            continue
        if marker[1] in _BARE:
            continue
        segment = handle.read(7)
        if len(segment) < 7:
            return None
        if marker[1] in _FRAMES:
            height, width = unpack(">HH", segment[3:7])
            return width, height
        length = int.from_bytes(segment[:2], "big")
        if length < 2:
            return None
        handle.seek(length - 7, os.SEEK_CUR)
