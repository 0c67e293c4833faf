"""Objects in a store, pinned with the size and version of their listing and read through fsspec.

Two requests read an object of up to 5 MiB: one for its bytes, and one after the last byte for its version. A
conditional read would need only one, but fsspec has no way to ask for it that all stores share.
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

#: Bytes that are requested at once. Some stores' own default is 50 MiB, for each file that is open.
_BLOCK_BYTES = 8 * 1024 * 1024

#: In the order in which they are trusted: S3 and Azure have an etag, GCS a generation, others only a time.
_VERSION_FACTS = ("ETag", "etag", "generation", "mtime", "LastModified", "last_modified", "created")

#: Packages whose ways are known: their listings are complete, a range takes one request, and a size may be given.
_KNOWN_PACKAGES = {"s3fs", "gcsfs", "adlfs"}


def is_known(fs: AbstractFileSystem, method: str) -> bool:
    """Whether S3's, Google's or Azure's package implements a method of a store."""
    owner = next((base for base in type(fs).__mro__ if method in vars(base)), object)
    return owner.__module__.partition(".")[0] in _KNOWN_PACKAGES


@dataclass(frozen=True)
class ObjectStoreFile:
    """An object in a store, with the size and version that the store's listing gave.

    :ivar fs: the file system, for instance s3fs.
    :ivar key: the object's name in that file system.
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

    @staticmethod
    def pin(
        fs: AbstractFileSystem, key: str, info: Mapping[str, Any], *, uri: str, name: str, content_type: str
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
        kind = BackgroundObjectFile if is_known(fs, "_cat_file") else ObjectStoreFile
        return kind(name, uri, content_type, size, fact, fs, key)

    def open(self) -> BinaryIO:
        """Open the object; see ``UploadFile.open``."""
        # Without a size, s3fs asks for it and makes each further block conditional on the same version.
        size = {"size": self.size} if self.size <= _BLOCK_BYTES and is_known(self.fs, "_open") else {}
        handle: BinaryIO = self.fs.open(self.key, "rb", block_size=_BLOCK_BYTES, **size)
        return handle

    def read_whole(self) -> bytes:
        """Read the object at once; see ``UploadFile.read_whole``."""
        return read_opened(self)

    def check_unchanged(self, handle: BinaryIO) -> None:
        """Ask the store for the object's version again; see ``UploadFile.check_unchanged``.

        If the version is the same after the last byte as it was in the listing, it was the same in between.
        """
        self._forget_listing()
        self._compare(self.fs.info(self.key))

    def _forget_listing(self) -> None:
        """Let the next ``info`` ask the store, and not the listing that it has kept."""
        self.fs.invalidate_cache(self.fs._parent(self.key))

    def _compare(self, info: Mapping[str, Any]) -> None:
        fact, value = self.fact or ("size", self.size)
        # Some stores say more in a listing than about one object; what they leave out means nothing.
        if info.get("size") != self.size or _comparable(info.get(fact, value)) != _comparable(value):
            raise EdgeImpulseFileError(
                f"{self.uri} was changed after the task had begun with it: {self.size} bytes then, "
                f"{info.get('size')} now. Let what writes it finish first."
            )


class BackgroundObjectFile(ObjectStoreFile):
    """An object in a store that reads several objects at once, in an event loop of its own."""

    def start_reading(self) -> Future[bytes]:
        """Start to read the whole object, and to check it afterwards; see ``UploadFile.read_whole``."""
        return asyncio.run_coroutine_threadsafe(self._read(), self.fs.loop)

    def read_whole(self) -> bytes:
        """Read the object at once; see ``UploadFile.read_whole``."""
        return self.start_reading().result()

    async def _read(self) -> bytes:
        data = b""
        if self.size:  # an empty object has no range
            # One byte more than there should be shows that the object grew.
            data = await self.fs._cat_file(self.key, start=0, end=self.size + 1)
        self._forget_listing()
        self._compare(await self.fs._info(self.key))
        return data


def _comparable(value: Any) -> Any:
    """Return a fact so that a time is equal to itself: fsspec's memory has seconds in a listing, a date otherwise."""
    return value.timestamp() if isinstance(value, datetime) else value
