"""The files of an upload: what the client must know about each file, and how it reads them.

A file's size and version are pinned before anything is sent. Small files are read whole, large ones block by block.
Either way, a file that turns out to be longer, shorter or changed is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from typing import BinaryIO, Protocol

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseFileError
from airflow_provider_ei.studio.hashing import HashThread

#: Smaller files are read whole. A file of this size or more is read in blocks, in a separate thread, which would cost a
#: smaller file more than it gains.
LARGE_FILE_BYTES = 1024 * 1024

_WAIT_FOR_WRITER = "Let the task that writes it finish first."


class UploadFile(Protocol):
    """One file to send: its name in the data item, where it comes from, and how to read it."""

    @property
    def name(self) -> str:
        """Name within the data item, with ``/`` between folders."""

    @property
    def size(self) -> int:
        """Length in bytes, from stat or from the object store's listing."""

    @property
    def content_type(self) -> str:
        """Media type of the part."""

    @property
    def source(self) -> str:
        """Path or URI, for messages."""

    def open(self) -> BinaryIO:
        """Open the file for reading from the first byte.

        :raises EdgeImpulseFileError: when it is missing, unreadable, or no longer has the pinned size.
        """

    def check_unchanged(self, handle: BinaryIO) -> None:
        """Compare the file with what was pinned, after its last byte was read.

        :raises EdgeImpulseFileError: when it was changed in the meantime.
        """

    def read_whole(self) -> bytes:
        """Read a small file at once, up to one byte more than its pinned size; then check that it is unchanged.

        Use :func:`read_opened` if there is no cheaper way.

        :raises EdgeImpulseFileError: when it is missing, unreadable or changed.
        """


#: Called with a file's name and the number of its bytes that were read so far.
OnRead = Callable[[str, int], None]


def read_whole(file: UploadFile, read: Callable[[], bytes] | None = None) -> bytes:
    """Return the bytes of a small file.

    :param read: called to read it; by default its ``read_whole``.
    :raises EdgeImpulseFileError: when it cannot be read, was changed, or does not have the pinned size.
    """
    try:
        data = file.read_whole() if read is None else read()
    except EdgeImpulseError:
        raise
    except Exception as error:  # an object store raises errors of its own, not only OSError
        raise _unreadable(file, error) from error
    if len(data) < file.size:
        raise _shrank(file, len(data))
    if len(data) > file.size:
        raise _grew(file)
    return data


def read_opened(file: UploadFile) -> bytes:
    """Read a file through its handle; see ``UploadFile.read_whole``."""
    handle = file.open()
    try:
        left = file.size + 1
        blocks = []
        while left and (block := handle.read(left)):
            blocks.append(block)
            left -= len(block)
        file.check_unchanged(handle)
    finally:
        handle.close()
    return b"".join(blocks)


class PinnedReader:
    """Read a large file's pinned bytes, block by block, and hash them.

    :param file: a file of at least one byte.
    :param thread: reads and hashes the next blocks while the caller uses one.
    """

    def __init__(self, file: UploadFile, thread: HashThread) -> None:
        self.file = file
        self._thread = thread
        self._hash = hashlib.sha256()

    def blocks(self) -> Generator[memoryview]:
        """Yield the file's bytes. Use each block before requesting the next one: its memory is reused.

        The last block comes after the check that the file is unchanged. Closing the iterator closes the file.

        :raises EdgeImpulseFileError: when the file cannot be read, was changed, or does not have the pinned size.
        """
        file, left = self.file, self.file.size
        try:
            handle = file.open()
            try:
                self._thread.begin(handle, left, self._hash)
                while left:
                    block = self._thread.next_block()
                    if not block:
                        raise _shrank(file, file.size - left)
                    left -= len(block)
                    if not left:
                        if handle.read(1):
                            raise _grew(file)
                        file.check_unchanged(handle)
                    yield block
            finally:
                self._thread.end()
                handle.close()
        except EdgeImpulseError:
            raise
        except Exception as error:  # an object store raises errors of its own, not only OSError
            raise _unreadable(file, error) from error

    def sha256(self) -> str:
        """Return the hex digest of what was read, once the thread has finished."""
        return self._hash.hexdigest()


def _shrank(file: UploadFile, count: int) -> EdgeImpulseFileError:
    return EdgeImpulseFileError(
        f"{file.source} shrank while it was being sent: {count} bytes instead of {file.size}. {_WAIT_FOR_WRITER}"
    )


def _grew(file: UploadFile) -> EdgeImpulseFileError:
    return EdgeImpulseFileError(
        f"{file.source} grew while it was being sent; it had {file.size} bytes. {_WAIT_FOR_WRITER}"
    )


def _unreadable(file: UploadFile, error: Exception) -> EdgeImpulseFileError:
    return EdgeImpulseFileError(f"{file.source} could not be read: {str(error) or type(error).__name__}.")
