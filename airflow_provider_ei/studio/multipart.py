"""The body of an upload: form fields and files, streamed with constant memory.

Each file is opened when its first byte is due and closed after its last, so one descriptor is enough for any number
of files. Its size is pinned beforehand: it stands in the request's Content-Length, and a file that turns out longer
or shorter ends the request before the service could store it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

from requests_toolbelt import MultipartEncoder

from airflow_provider_ei.studio.files import OnRead, PinnedReader, UploadFile
from airflow_provider_ei.studio.hashing import HashThread


class MultipartBody:
    """A ``multipart/form-data`` body, as a context manager that closes whatever file is open.

    :param fields: text parts, in order.
    :param files: the ``files[]`` parts, in order.
    :param on_read: told of each block of a file.
    """

    def __init__(
        self, fields: Iterable[tuple[str, str]], files: Sequence[UploadFile], on_read: OnRead | None = None
    ) -> None:
        self._hashing = HashThread()
        self._readers = [PinnedReader(file, on_read, self._hashing) for file in files]
        parts: list[tuple[str, Any]] = list(fields)
        parts += [("files[]", (r.file.name, r, r.file.content_type)) for r in self._readers]
        self.encoder = MultipartEncoder(parts)

    def __enter__(self) -> MultipartBody:
        for reader in self._readers:
            if reader.file.size == 0:
                reader.check_empty()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for reader in self._readers:
            reader.close()
        self._hashing.finish()

    @property
    def content_type(self) -> str:
        """Value of the Content-Type header."""
        return str(self.encoder.content_type)

    def sha256_by_name(self) -> dict[str, str]:
        """Digest of each file, once the body was sent."""
        self._hashing.finish()
        return {reader.file.name: reader.sha256() for reader in self._readers}
