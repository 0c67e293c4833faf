"""Objects in a store, pinned with the size and version from their listing and read through fsspec.

Reading an object of up to 5 MiB takes two requests: one for its bytes, and one after the last byte for its version. A
conditional read would need only one, but fsspec has no interface for it that all stores share.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow_provider_ei.exceptions import EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.studio.files import read_opened

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

#: Bytes that are requested at once. The default of some stores is 50 MiB for each open file.
_BLOCK_BYTES = 8 * 1024 * 1024

#: Version fields of a listing, most reliable first: S3 and Azure have an etag, GCS a generation, others only a time.
_VERSION_FACTS = ("ETag", "etag", "generation", "mtime", "LastModified", "last_modified", "created")

#: Packages with known behavior: listings are complete, a range takes one request, and ``open`` accepts a size.
_KNOWN_PACKAGES = {"s3fs", "gcsfs", "adlfs"}


def is_known(fs: AbstractFileSystem, method: str) -> bool:
    """Return whether the package for S3, Google or Azure implements a method of a store."""
    owner = next((base for base in type(fs).__mro__ if method in vars(base)), object)
    return owner.__module__.partition(".")[0] in _KNOWN_PACKAGES


@dataclass(frozen=True)
class ObjectStoreFile:
    """An object in a store, with the size and version that the store's listing gave.

    :ivar fs: the file system, for instance s3fs.
    :ivar key: the object's name in that file system.
    :ivar fact: a field of the listing that changes with the content, such as ``("ETag", …)``.
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
        """The object's URI."""
        return self.uri

    @property
    def version(self) -> str | None:
        """The store's checksum or version, otherwise its time."""
        return None if self.fact is None else "{}={}".format(*self.fact)

    @staticmethod
    def pin(
        fs: AbstractFileSystem, key: str, info: Mapping[str, Any], *, uri: str, name: str, content_type: str
    ) -> ObjectStoreFile:
        """Pin an object with the facts from a listing.

        :param info: fsspec's ``info``.
        :raises EdgeImpulseInputError: when the store does not report the object's size.
        """
        size = info.get("size")
        if not isinstance(size, int):
            raise EdgeImpulseInputError(
                f"files: the store does not say how many bytes {uri!r} has, so it cannot be streamed. Copy it to a "
                "file or a bucket first."
            )
        fact = next(((fact, info[fact]) for fact in _VERSION_FACTS if info.get(fact) is not None), None)
        kind = BackgroundObjectFile if is_known(fs, "_cat_file") else ObjectStoreFile
        return kind(name, uri, content_type, size, fact, fs, key)

    def open(self) -> BinaryIO:
        """Open the object; see ``UploadFile.open``."""
        # Without a size, s3fs requests it and makes each further block conditional on the same version.
        size = {"size": self.size} if self.size <= _BLOCK_BYTES and is_known(self.fs, "_open") else {}
        handle: BinaryIO = self.fs.open(self.key, "rb", block_size=_BLOCK_BYTES, **size)
        return handle

    def read_whole(self) -> bytes:
        """Read the object at once; see ``UploadFile.read_whole``."""
        return read_opened(self)

    def check_unchanged(self, handle: BinaryIO) -> None:
        """Request the object's version again; see ``UploadFile.check_unchanged``.

        If the version after the last byte equals that of the listing, it was the same in between.
        """
        self._forget_listing()
        self._compare(self.fs.info(self.key))

    def _forget_listing(self) -> None:
        """Make the next ``info`` query the store instead of a cached listing."""
        self.fs.invalidate_cache(self.fs._parent(self.key))

    def _compare(self, info: Mapping[str, Any]) -> None:
        fact, value = self.fact or ("size", self.size)
        # Some stores return more fields in a listing than for one object; a missing field is not a change.
        if info.get("size") != self.size or _comparable(info.get(fact, value)) != _comparable(value):
            raise EdgeImpulseFileError(
                f"{self.uri} was changed after the task had begun with it: {self.size} bytes then, "
                f"{info.get('size')} now. Let what writes it finish first."
            )


class BackgroundObjectFile(ObjectStoreFile):
    """An object in a store that reads several objects concurrently in its own event loop."""

    def start_reading(self) -> Future[bytes]:
        """Start reading the whole object, which is checked afterwards; see ``UploadFile.read_whole``."""
        return asyncio.run_coroutine_threadsafe(self._read(), self.fs.loop)

    def read_whole(self) -> bytes:
        """Read the object at once; see ``UploadFile.read_whole``."""
        return self.start_reading().result()

    async def _read(self) -> bytes:
        data = b""
        if self.size:  # an empty object has no range
            # One byte more than expected shows that the object grew.
            data = await self.fs._cat_file(self.key, start=0, end=self.size + 1)
        self._forget_listing()
        self._compare(await self.fs._info(self.key))
        return data


def _comparable(value: Any) -> Any:
    """Return a comparable value: fsspec's memory store gives a time in seconds in a listing, otherwise a datetime."""
    return value.timestamp() if isinstance(value, datetime) else value
