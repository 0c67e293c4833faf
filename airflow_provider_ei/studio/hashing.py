"""Reads and hashes large files in a thread while their blocks are sent.

Hashing takes about as long as encrypting and sending, and both release the GIL. The thread also reads, which divides
the work of an upload over TLS evenly. The memory of the blocks is reused: allocating new memory for each block and
freeing it in another thread costs more than the thread gains.
"""

from __future__ import annotations

import io
import threading
from queue import SimpleQueue
from typing import BinaryIO, Protocol

from airflow_provider_ei.studio.transport import BLOCK_BYTES

#: Maximum number of blocks that are read ahead. Fewer and larger blocks cost less in theory, but they do not stay in
#: the processors' caches, and nothing is gained.
BLOCKS = 8


class Hash(Protocol):
    """The part of hashlib's objects that is used."""

    def update(self, data: memoryview, /) -> None:
        """Add more bytes to the hash."""


class HashThread:
    """Reads and hashes one file after another; starts with the first file and ends with :meth:`finish`."""

    def __init__(self) -> None:
        self._todo: SimpleQueue[tuple[BinaryIO, int, Hash] | None] = SimpleQueue()
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        self._ready: SimpleQueue[tuple[memoryview, int] | BaseException] = SimpleQueue()
        self._used: memoryview | None = None  # the block that the caller has
        self._stopped = False
        self._idle = threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None

    def begin(self, handle: BinaryIO, size: int, hash: Hash) -> None:
        """Start to read and hash ``size`` bytes; call :meth:`end` before the handle is used or closed."""
        if self._thread is None:
            self._start()
        self._stopped = False
        self._idle.clear()
        self._todo.put((handle, size, hash))

    def next_block(self) -> memoryview:
        """Return the next block, already hashed; empty when the file ended early. Use it before the next call."""
        self._give_back()
        ready = self._ready.get()
        if isinstance(ready, BaseException):
            raise ready
        self._used, count = ready
        return self._used[:count]

    def end(self) -> None:
        """Stop reading, and wait until the thread no longer uses the handle."""
        self._stopped = True
        self._give_back()
        self._drop_ready()  # the thread may be waiting for a free block
        self._idle.wait()
        self._drop_ready()

    def finish(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join()
            self._thread = None

    def _give_back(self) -> None:
        if self._used is not None:
            self._free.put(self._used)
            self._used = None

    def _drop_ready(self) -> None:
        while not self._ready.empty():
            ready = self._ready.get()
            if not isinstance(ready, BaseException):
                self._free.put(ready[0])

    def _start(self) -> None:
        self._free = SimpleQueue()
        for _ in range(BLOCKS):
            self._free.put(memoryview(bytearray(BLOCK_BYTES)))
        self._thread = threading.Thread(target=self._run, name="edge-impulse-hash", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (work := self._todo.get()) is not None:
            try:
                self._read(*work)
            except BaseException as error:  # raised in the thread that takes the blocks
                self._ready.put(error)
            finally:
                self._idle.set()

    def _read(self, handle: BinaryIO, left: int, hash: Hash) -> None:
        count = left
        while left and count and not self._stopped:
            block = self._free.get()
            room = block[: min(left, BLOCK_BYTES)]
            if isinstance(handle, io.RawIOBase):
                count = handle.readinto(room) or 0
            else:  # an object store's handle allocates its own bytes
                read = handle.read(len(room))
                count = len(read)
                room[:count] = read
            hash.update(room[:count])
            left -= count
            self._ready.put((block, count))
