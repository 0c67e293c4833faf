"""The files of an upload: what the client needs to know about each, and how it is read.

A file's size and version are pinned before anything is sent. :class:`PinnedReader` reads exactly that many bytes and
hashes them, and raises when the file turned out to be longer, shorter or changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseFileError
from airflow_provider_ei.studio.hashing import HashThread

#: From this size on, a file is hashed beside the sending; below it, the thread would cost more than it gains.
LARGE_FILE_BYTES = 1024 * 1024


class UploadFile(Protocol):
    """One file to send: what it is called there, where it is from, and how to read it."""

    @property
    def name(self) -> str:
        """Name within the data item, ``/`` between folders."""

    @property
    def size(self) -> int:
        """Length in bytes, from stat or from the object store's own listing."""

    @property
    def content_type(self) -> str:
        """Media type of the part."""

    @property
    def source(self) -> str:
        """Path or URI, for messages."""

    def open(self) -> BinaryIO:
        """Open for reading from the first byte.

        :raises EdgeImpulseFileError: when it is gone, unreadable, or no longer of the pinned size.
        """

    def check_unchanged(self, handle: BinaryIO) -> None:
        """Compare the file with what was pinned, after its last byte was read.

        :raises EdgeImpulseFileError: when it was changed meanwhile.
        """


#: Told after each block: the file's name, and how many of its bytes were read so far.
OnRead = Callable[[str, int], None]


class PinnedReader:
    """Reads exactly ``file.size`` bytes, and hashes them on the way.

    It has ``read`` and ``len`` (the bytes still to come), which is all that the encoder needs; no ``fileno``, from
    which the encoder would take a length of its own.

    :param thread: hashes a large file; without it, each block is hashed before it is returned.
    """

    def __init__(self, file: UploadFile, on_read: OnRead | None = None, thread: HashThread | None = None) -> None:
        self.file = file
        self._on_read = on_read
        self._thread = thread if file.size >= LARGE_FILE_BYTES else None
        self.len = file.size
        self._hash = hashlib.sha256()
        self._handle: BinaryIO | None = None

    def read(self, size: int = -1) -> bytes | memoryview:
        """Return up to ``size`` bytes, or what is left; to be used before the next call.

        :raises EdgeImpulseFileError: when the file cannot be read, or ends early, or goes on past its size.
        """
        if self.len == 0:
            return b""
        wanted = self.len if size < 0 else min(size, self.len)
        try:
            if self._handle is None:
                self._handle = self.file.open()
            block = self._next_block(self._handle, wanted)
            if not block:
                raise EdgeImpulseFileError(
                    f"{self.file.source} shrank while it was being sent: {self.file.size - self.len} bytes instead of "
                    f"{self.file.size}. {_AT_REST}"
                )
            self.len -= len(block)
            if self._on_read is not None:
                self._on_read(self.file.name, self.file.size - self.len)
            if self.len == 0:
                self._finish(self._handle)
        except EdgeImpulseError:
            self.close()
            raise
        except Exception as error:  # an object store raises errors of its own, not only OSError
            self.close()
            raise EdgeImpulseFileError(f"{self.file.source} could not be read: {_words(error)}.") from error
        return block

    def _next_block(self, handle: BinaryIO, size: int) -> bytes | memoryview:
        if self._thread is not None:
            return self._thread.read(handle, size, self._hash)
        block = handle.read(size)
        self._hash.update(block)
        return block

    def _finish(self, handle: BinaryIO) -> None:
        if handle.read(1):
            raise EdgeImpulseFileError(
                f"{self.file.source} grew while it was being sent; it had {self.file.size} bytes. {_AT_REST}"
            )
        self.file.check_unchanged(handle)
        self.close()

    def check_empty(self) -> None:
        """Look at a file of 0 bytes, which the encoder never reads.

        :raises EdgeImpulseFileError: when it is gone, unreadable or no longer empty.
        """
        try:
            with self.file.open() as handle:
                self._finish(handle)
        except EdgeImpulseError:
            raise
        except Exception as error:
            raise EdgeImpulseFileError(f"{self.file.source} could not be read: {_words(error)}.") from error

    def sha256(self) -> str:
        """Hex digest of what was read."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file if it is open."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None


_AT_REST = "Let the task that writes it finish first."


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
