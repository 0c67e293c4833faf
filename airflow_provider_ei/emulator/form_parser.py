"""Parse multipart/form-data as it arrives: files go to the upload, small text fields to a dict.

Names in Content-Disposition have the form that browsers write (the WHATWG form encoding): a quoted name ends at the
next ``"``, a backslash is an ordinary character, ``%22``, ``%0D`` and ``%0A`` stand for quotation mark, CR and LF, and
every other ``%`` stands for itself. ``filename*`` is ignored: RFC 7578 forbids it in forms. The switches for names
change how a file's name is stored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from airflow_provider_ei.emulator.emulator_settings import EmulatorSettings
from airflow_provider_ei.emulator.name_rules import stored_file_name, unescape
from airflow_provider_ei.emulator.uploads import Upload

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FILES = 10_000
"""The number of files that the API accepts in one request."""
MAX_TEXT_BYTES = 4 << 20
"""The total size of the text fields of one request."""
MAX_TEXT_FIELDS = 100
MAX_HEADER_BYTES = 16 << 20
"""The total size of the headers of all parts, with the names of the files."""

_PARAMETER = re.compile(rb';\s*(name|filename)\s*=\s*(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)


class MultipartReader:
    """Read a request's body in pieces. An invalid body is still read to its end; ``error`` says what is wrong.

    :param content_type: the request's Content-Type header.
    :param upload: receives the files.
    :param settings: decide how the files' names are stored.
    :param file_field: the name of the parts that are files.
    :param max_files: the number of files that are accepted.
    :param max_file_bytes: a larger file is marked and not kept; 0 means no limit.
    """

    def __init__(
        self,
        content_type: str,
        upload: Upload,
        settings: EmulatorSettings,
        *,
        file_field: str = "files[]",
        max_files: int = MAX_FILES,
        max_file_bytes: int = 0,
    ) -> None:
        self.upload = upload
        self.fields: dict[str, str] = {}
        self.error: str | None = None
        self._settings = settings
        self._file_field = file_field
        self._max_files = max_files
        self._max_file_bytes = max_file_bytes
        self._file_bytes = 0
        self._complete = False
        self._text_bytes = 0
        self._header_name = b""
        self._header_value = b""
        self._header_bytes = 0
        self._headers: dict[bytes, bytes] = {}
        self._field_name = ""
        self._file_name: str | None = None
        self._text = bytearray()
        boundary = _BOUNDARY.search(content_type)
        if not content_type.lower().startswith("multipart/form-data") or boundary is None:
            self.error = "The request is not multipart/form-data"
            return
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }
        try:
            self._parser = MultipartParser((boundary[1] or boundary[2]).encode("latin-1"), callbacks)
        except FormParserError as error:
            self.error = f"Malformed multipart body: {error}"

    def feed(self, data: bytes) -> None:
        """Read the next piece of the body."""
        if self.error is not None:
            return
        try:
            self._parser.write(data)
        except FormParserError as error:
            self.error = f"Malformed multipart body: {error}"
        except _Refused as refused:
            self.error = str(refused)

    def close(self) -> None:
        """Note the end of the body."""
        self.upload.close()
        if self.error is None and not self._complete:
            self.error = "Unexpected end of multipart body"

    def _on_part_begin(self) -> None:
        self._headers = {}

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._header_value += data[start:end]

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES:
            raise _Refused(f"More than {MAX_HEADER_BYTES} bytes of headers of parts")

    def _on_header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        names: dict[bytes, bytes] = {}
        for match in _PARAMETER.finditer(self._headers.get(b"content-disposition", b"")):
            names.setdefault(match[1].lower(), match[3] if match[2] is None else match[2])
        if b"name" not in names:
            raise _Refused("A part of the multipart body has no name")
        self._field_name = unescape(names[b"name"]).decode("utf-8", "replace")
        if b"filename" not in names:
            self._begin_text()
        else:
            self._begin_file(names[b"filename"])

    def _begin_text(self) -> None:
        self._file_name = None
        self._text.clear()
        if len(self.fields) >= MAX_TEXT_FIELDS:
            raise _Refused(f"More than {MAX_TEXT_FIELDS} text fields")
        if self._field_name == self._file_field:
            raise _Refused(f"{self._file_field} must be a file")

    def _begin_file(self, sent_name: bytes) -> None:
        if self._field_name != self._file_field:
            raise _Refused(f"Unexpected file field {self._field_name!r}; files go into {self._file_field}")
        if not sent_name:
            raise _Refused("A file has no name")
        if len(self.upload.files) >= self._max_files:
            raise _Refused(f"More than {self._max_files} files in one call")
        self._file_bytes = 0
        self._file_name = stored_file_name(sent_name, self._settings)
        if self._file_name:
            self.upload.begin_file()
        else:
            self.upload.dropped += 1

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        piece = memoryview(data)[start:end]
        if self._file_name is not None:
            if self._file_name:
                self._write(piece)
            return
        self._text_bytes += len(piece)
        if self._text_bytes > MAX_TEXT_BYTES:
            raise _Refused(f"More than {MAX_TEXT_BYTES} bytes of text fields")
        self._text += piece

    def _write(self, piece: memoryview) -> None:
        was_too_large = self._is_too_large()
        self._file_bytes += len(piece)
        if not self._is_too_large():
            self.upload.write(piece)
        elif not was_too_large:
            self.upload.cut_file()

    def _is_too_large(self) -> bool:
        return 0 < self._max_file_bytes < self._file_bytes

    def _on_part_end(self) -> None:
        if self._file_name is None:
            self.fields[self._field_name] = self._text.decode("utf-8", "replace")
        elif self._file_name:
            content_type = self._headers.get(b"content-type", b"application/octet-stream").decode("latin-1")
            self.upload.end_file(self._file_name, content_type, too_large=self._is_too_large())

    def _on_end(self) -> None:
        self._complete = True


class _Refused(Exception):
    """Ends the parsing. The message is for the client."""
