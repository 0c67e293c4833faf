"""The body of an upload: form fields and files, streamed with constant memory.

Each file is opened when its first byte is needed and closed after its last, so one descriptor is enough for any number
of files. Its size is pinned beforehand, because it is part of the request's Content-Length. A file that turns out to be
longer, shorter or changed ends the request before the service can store it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from types import TracebackType

from requests_toolbelt import MultipartEncoder
from urllib3.fields import format_multipart_header_param

from airflow_provider_ei.studio.files import LARGE_FILE_BYTES, OnRead, PinnedReader, UploadFile, read_whole
from airflow_provider_ei.studio.hashing import HashThread
from airflow_provider_ei.studio.read_ahead import ReadAhead
from airflow_provider_ei.studio.transport import BLOCK_BYTES


class MultipartBody(MultipartEncoder):  # type: ignore[misc]
    """A ``multipart/form-data`` body, as a context manager that closes the open file.

    The encoder of requests-toolbelt produces the boundary and the parts of the fields. It would copy each byte of a
    file twice and keep several objects for each file, so this class produces the parts of the files itself, with
    identical bytes.

    :param fields: names and values of the form fields, in order.
    :param files: the parts of the files, in order.
    :param on_read: called for each file, and for each block of a large one.
    :param part: name of the files' parts.
    """

    def __init__(
        self,
        fields: Iterable[tuple[str, str]],
        files: Sequence[UploadFile],
        on_read: OnRead | None = None,
        *,
        part: str = "files[]",
    ) -> None:
        super().__init__(list(fields))
        self._files = files
        self._on_read = on_read
        self._delimiter = b"\r\n" + self.boundary.encode()
        # The encoder closes the body after the fields. Without the last four bytes, "--\r\n", more parts may follow.
        self._fields = super().read()[:-4]
        self._heads = [_head(file, part) for file in files]
        content = sum(map(len, self._heads)) + sum(file.size for file in files)
        self._length = len(self._fields) + content + len(self._delimiter) * len(files) + len(_CLOSE)
        self._hashing = HashThread()
        self._digests: dict[str, str] = {}
        self._readers: list[PinnedReader] = []
        self._blocks = self._generate()
        self._rest: memoryview = memoryview(b"")

    def __enter__(self) -> MultipartBody:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks.close()
        self._hashing.finish()

    @property
    def len(self) -> int:
        """Length in bytes, for requests."""
        return self._length

    def read(self, size: int = -1) -> bytes | memoryview:
        """Return the next bytes, at most ``size``; use them before the next call.

        :raises EdgeImpulseFileError: when a file cannot be read or was changed.
        """
        if size < 0:
            return b"".join(bytes(block) for block in iter(lambda: self.read(BLOCK_BYTES), b""))
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        block, self._rest = self._rest[:size], self._rest[size:]
        return block

    def sha256_by_name(self) -> dict[str, str]:
        """Return the digest of each file after the body was sent."""
        self._hashing.finish()
        return self._digests | {reader.file.name: reader.sha256() for reader in self._readers}

    def _generate(self) -> Generator[bytes | memoryview]:
        """Yield the body in blocks: small parts joined, large files as they are read."""
        parts, count = [self._fields], len(self._fields)
        room = BLOCK_BYTES - len(self._delimiter) - len(_CLOSE)
        with ReadAhead(self._files) as ahead:
            for file, head in zip(self._files, self._heads, strict=True):
                size, is_ahead = file.size, ahead.is_next(file)
                if size >= LARGE_FILE_BYTES and not is_ahead:
                    yield b"".join((*parts, head))
                    parts, count = [], 0
                    yield from self._stream(file)
                else:
                    if count + len(head) + size > room:
                        yield b"".join(parts)
                        parts, count = [], 0
                    data = ahead.read(file) if is_ahead else read_whole(file)
                    self._digests[file.name] = hashlib.sha256(data).hexdigest()
                    if self._on_read is not None:
                        self._on_read(file.name, size)
                    parts += head, data
                    count += len(head) + size
                parts.append(self._delimiter)
                count += len(self._delimiter)
        yield b"".join((*parts, _CLOSE))

    def _stream(self, file: UploadFile) -> Iterator[memoryview]:
        reader = PinnedReader(file, self._hashing)
        self._readers.append(reader)
        position = 0
        with closing(reader.blocks()) as blocks:
            for block in blocks:
                position += len(block)
                if self._on_read is not None:
                    self._on_read(file.name, position)
                yield block


_CLOSE = b"--\r\n"


def _head(file: UploadFile, part: str) -> bytes:
    """Return the headers of a file's part, preceded by the end of the boundary line."""
    name = file.name
    needs_no_escapes = name.isprintable() and '"' not in name  # the usual case, in a fraction of the time
    param = f'filename="{name}"' if needs_no_escapes else format_multipart_header_param("filename", name)
    head = f'\r\nContent-Disposition: form-data; name="{part}"; {param}\r\nContent-Type: {file.content_type}\r\n\r\n'
    return head.encode()
