"""The protocol for files of a source."""

from __future__ import annotations

from typing import Protocol

from airflow_provider_ei.studio.files import UploadFile


class SourceFile(UploadFile, Protocol):
    """A file to upload, with a version that changes with its content.

    :class:`~.local.LocalFile` and :class:`~.object_file.ObjectStoreFile` are pinned: they keep the size and version
    that the file had when it was found, and compare them when it is opened and after its last byte.
    """

    @property
    def version(self) -> str | None:
        """The modification time or the store's checksum; None if the store has neither."""
