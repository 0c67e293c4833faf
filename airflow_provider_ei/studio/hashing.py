"""Computes the SHA-256 of what is sent, in a thread.

Hashing takes about as long as encrypting and sending, and both release the GIL. So a thread hashes the blocks of a
large file while they are being sent. The memory of the blocks is reused: allocating new memory for each block and
freeing it in another thread costs more than the thread gains.
"""

from __future__ import annotations

import io
import threading
from queue import SimpleQueue
from typing import BinaryIO, Protocol

from airflow_provider_ei.studio.transport import BLOCK_BYTES

#: Maximum number of blocks that wait to be hashed. Fewer and larger blocks cost less in theory, but they do not stay in
#: the processors' caches, and nothing is gained.
BLOCKS = 8


class Hash(Protocol):
    """The part of hashlib's objects that is used."""

    def update(self, data: memoryview, /) -> None:
        """Add more bytes to the hash."""


class HashThread:
    """Hashes blocks in the order in which they are read; starts with the first block and ends with :meth:`finish`."""

    def __init__(self) -> None:
        self._todo: SimpleQueue[tuple[Hash, memoryview, int] | None] = SimpleQueue()
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def read(self, handle: BinaryIO, size: int, hash: Hash) -> memoryview:
        """Read up to ``size`` bytes, at most a block, and have them hashed.

        :return: what was read; use it before the next call.
        """
        if self._thread is None:
            self._start()
        block = self._free.get()
        room = block[: min(size, BLOCK_BYTES)]
        if isinstance(handle, io.RawIOBase):
            count = handle.readinto(room) or 0
        else:  # an object store's handle allocates its own bytes
            read = handle.read(len(room))
            count = len(read)
            room[:count] = read
        self._todo.put((hash, block, count))
        return room[:count]

    def finish(self) -> None:
        """Wait until everything is hashed, and end the thread."""
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join()
            self._thread = None

    def _start(self) -> None:
        self._free = SimpleQueue()
        for _ in range(BLOCKS):
            self._free.put(memoryview(bytearray(BLOCK_BYTES)))
        self._thread = threading.Thread(target=self._run, name="edge-impulse-hash", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (work := self._todo.get()) is not None:
            hash, block, count = work
            hash.update(block[:count])
            self._free.put(block)
