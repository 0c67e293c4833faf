"""Objects in a store, pinned with the size and version of their listing and read through fsspec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow_provider_ei.exceptions import EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.studio.files import read_opened

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


@dataclass(frozen=True)
class ObjectStoreFile:
    """An object in a store, read through fsspec, with the size and version that the store's listing gave.

    :ivar fs: the file system, for instance s3fs.
    :ivar key: what that file system calls the object.
    :ivar fact: a fact of the listing that changes with the content, such as ``("ETag", …)``.
    """

    name: str
    uri: str
    content_type: str
    size: int
    fact: tuple[str, Any] | None
    fs: AbstractFileSystem
    key: str

    @property
    def source(self) -> str:
        """The URI."""
        return self.uri

    @property
    def version(self) -> str | None:
        """The store's own checksum or version, else its time."""
        return None if self.fact is None else "{}={}".format(*self.fact)

    @classmethod
    def pin(
        cls,
        fs: AbstractFileSystem,
        key: str,
        info: Mapping[str, Any],
        *,
        uri: str,
        name: str,
        content_type: str,
    ) -> ObjectStoreFile:
        """Pin what a listing says of an object.

        :param info: fsspec's ``info``.
        :raises EdgeImpulseInputError: when the store does not say how large the object is.
        """
        size = info.get("size")
        if not isinstance(size, int):
            raise EdgeImpulseInputError(
                f"files: the store does not say how many bytes {uri!r} has, so it cannot be streamed. Copy it to a "
                "file or a bucket first."
            )
        fact = next(((fact, info[fact]) for fact in _VERSION_FACTS if info.get(fact) is not None), None)
        return cls(name, uri, content_type, size, fact, fs, key)

    def open(self) -> BinaryIO:
        """Open the object; see ``UploadFile.open``."""
        handle: BinaryIO = self.fs.open(self.key, "rb", block_size=_BLOCK_BYTES)
        return handle

    def read_whole(self) -> bytes:
        """Read the object at once; see ``UploadFile.read_whole``."""
        return read_opened(self)

    def check_unchanged(self, handle: BinaryIO) -> None:
        """Ask the store, not its cached listing, again; see ``UploadFile.check_unchanged``.

        If the version is the same after the last byte as it was in the listing, it was the same in between.
        """
        self.fs.invalidate_cache(self.fs._parent(self.key))
        info = self.fs.info(self.key)
        fact, value = self.fact or ("size", self.size)
        # Some stores tell more in a listing than for one object; what they do not tell says nothing.
        if info.get("size") != self.size or _comparable(info.get(fact, value)) != _comparable(value):
            raise EdgeImpulseFileError(
                f"{self.uri} was changed after the task had begun with it: {self.size} bytes then, "
                f"{info.get('size')} now. Let what writes it finish first."
            )


def _comparable(value: Any) -> Any:
    """Return a fact so that a time is equal to itself: fsspec's memory tells seconds in a listing, a date otherwise."""
    return value.timestamp() if isinstance(value, datetime) else value


#: Bytes that are asked for at once. Some stores' own default is 50 MiB, for each file that is open.
_BLOCK_BYTES = 8 * 1024 * 1024

#: In the order in which they are trusted: S3 and Azure have an etag, GCS a generation, others only a time.
_VERSION_FACTS = ("ETag", "etag", "generation", "mtime", "LastModified", "last_modified", "created")
