"""Reads the next files of an upload while earlier ones are sent, for files that can be read in the background.

The latency of an object store is the same for small and large objects, so sequential requests would waste most of the
time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from types import TracebackType

from airflow_provider_ei.studio.byte_budget import background_bytes
from airflow_provider_ei.studio.files import UploadFile, read_whole

#: Larger files are not read ahead; they are streamed.
MAX_FILE_BYTES = 5 * 1024 * 1024

#: Maximum number of files of one upload that are being read or wait to be sent.
MAX_AHEAD_FILES = 32


class ReadAhead:
    """Reads files in order; as a context manager, it cancels unfinished reads on exit.

    Its memory is limited; see :mod:`.byte_budget`. The next file is always read, even above the limit.

    :param files: all files, in the order in which :meth:`read` is called for those that :meth:`covers` accepts.
    """

    def __init__(self, files: Sequence[UploadFile]) -> None:
        is_possible = any(hasattr(kind, "start_reading") for kind in set(map(type, files)))
        self._todo = deque(file for file in files if self.covers(file)) if is_possible else deque()
        self._started: deque[tuple[UploadFile, Future[bytes]]] = deque()

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._todo.clear()
        while self._started:
            file, future = self._started.popleft()
            future.cancel()
            background_bytes.give(file.size)

    @staticmethod
    def covers(file: UploadFile) -> bool:
        """Return whether a file is read in the background: it must be small and have a method ``start_reading``."""
        return hasattr(file, "start_reading") and file.size <= MAX_FILE_BYTES

    def is_next(self, file: UploadFile) -> bool:
        """Return whether the next file of the upload is read in the background."""
        return bool(self._todo or self._started) and self.covers(file)

    def read(self, file: UploadFile) -> bytes:
        """Return the bytes of the next file; see :func:`~.files.read_whole`.

        :raises EdgeImpulseFileError: when this file cannot be read or was changed.
        """
        self._start_next()
        started, future = self._started[0] if self._started else (None, None)
        if started is not file or future is None:
            raise ValueError(f"{file.source} is not the next file")
        self._started.popleft()
        try:
            return read_whole(file, future.result)
        finally:
            future.cancel()  # has no effect unless the wait was interrupted
            background_bytes.give(file.size)

    def _start_next(self) -> None:
        while self._todo and len(self._started) < MAX_AHEAD_FILES:
            file = self._todo[0]
            if not background_bytes.take(file.size, always=not self._started):
                return
            self._todo.popleft()
            self._started.append((file, _start(file)))


def _start(file: UploadFile) -> Future[bytes]:
    try:
        started: Future[bytes] = file.start_reading()  # type: ignore[attr-defined]
    except Exception as error:  # raised later, when the file is needed
        started = Future()
        started.set_exception(error)
    return started
