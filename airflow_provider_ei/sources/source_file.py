"""The files of a data item, as their source has them."""

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
        """A time, or a store's checksum; None when the store has neither."""
