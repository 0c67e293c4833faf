"""Reads the next files of an upload while earlier ones are sent, for files that can be read in the background.

An object store takes as long to answer for a small object as for a large one, so one request after the other would
leave most of the time unused.
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

#: Files of one upload that are read at once, or wait to be sent.
MAX_AHEAD_FILES = 32


class ReadAhead:
    """Reads files in their order; as a context manager, it cancels what is still being read at its end.

    The memory for it is bounded; see :mod:`.byte_budget`. The file that is due is read in any case.

    :param files: all files, in the order in which :meth:`read` is called for those that it :meth:`covers`.
    """

    def __init__(self, files: Sequence[UploadFile]) -> None:
        self._todo = deque(file for file in files if self.covers(file))
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
        """Whether a file is read in the background: it is small, and has a method ``start_reading`` for that."""
        return hasattr(file, "start_reading") and file.size <= MAX_FILE_BYTES

    def read(self, file: UploadFile) -> bytes:
        """Return the bytes of the next file; see :func:`~.files.read_whole`.

        :raises EdgeImpulseFileError: when this very file cannot be read or changed.
        """
        self._start_next()
        started, future = self._started[0] if self._started else (None, None)
        if started is not file or future is None:
            raise ValueError(f"{file.source} is not the next file")
        self._started.popleft()
        try:
            return read_whole(file, future.result)
        finally:
            future.cancel()  # which changes nothing unless the wait was interrupted
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
    except Exception as error:  # it is raised when the file is due
        started = Future()
        started.set_exception(error)
    return started
