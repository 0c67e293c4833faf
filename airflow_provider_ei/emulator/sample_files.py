"""What a sample's file contains, as far as the service looks at it: its format, length, sensors and image size."""

from __future__ import annotations

import csv
import io
import json
import math
import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import msgspec

_HEAD_BYTES = 64 << 10
_CHUNK_BYTES = 1 << 20
MAX_PARSED_BYTES = 4 << 20
"""A larger JSON file is stored without a look at its values."""
_DEFAULT_INTERVAL_MS = 1.0
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class SampleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a sample's content.

    :ivar chart: how Studio shows it: ``chart``, ``image``, ``video`` or ``table``.
    :ivar sensors: names and units.
    :ivar values: the number of readings.
    :ivar interval_ms: the time between two readings; 0 if there is none.
    :ivar width: of an image, in pixels, like ``height``.
    """

    chart: str = "chart"
    sensors: tuple[tuple[str, str], ...] = ()
    values: int = 0
    interval_ms: float = 0.0
    width: int | None = None
    height: int | None = None


class RefusedFile(Exception):
    """The service does not take this file. The message is its reason."""


Open = Callable[[], BinaryIO]


def examine(name: str, size: int, open_file: Open) -> SampleFacts:
    """Return what a file contains.

    :param open_file: opens a stream of ``size`` bytes.
    :raises RefusedFile: if the format is unknown, or the content is not of the format that the extension names.
    """
    extension = extension_of(name)
    if extension not in _EXAMINERS:
        raise RefusedFile(f"Unsupported file type {extension or name!r}; supported are {', '.join(sorted(_EXAMINERS))}")
    if size == 0:
        raise RefusedFile("The file is empty")
    return _EXAMINERS[extension](size, open_file)


def extension_of(name: str) -> str:
    """Return the extension of a file name in lower case, with its dot."""
    stem, dot, extension = name.rpartition(".")
    return f".{extension.lower()}" if dot and stem else ""


def without_extension(name: str) -> str:
    """Return the name by which Studio shows a sample."""
    return name.rpartition(".")[0] if extension_of(name) in _EXAMINERS else name


def read_values(name: str, size: int, open_file: Open, limit: int) -> list[list[float]]:
    """Return the first readings of a file of JSON or CSV; of other formats none."""
    extension = extension_of(name)
    if extension == ".json" and size <= MAX_PARSED_BYTES:
        return list(_payload(size, open_file)["values"][:limit])
    if extension in (".csv", ".txt"):
        rows = _rows(open_file)
        header = next(rows, [])
        skipped = 1 if _is_time(header) else 0
        return [[_number(cell) for cell in row[skipped:]] for row, _ in zip(rows, range(limit), strict=False)]
    return []


def _examine_json(size: int, open_file: Open) -> SampleFacts:
    if size > MAX_PARSED_BYTES:
        if not _head(size, open_file).lstrip().startswith(b"{"):
            raise RefusedFile("The file is not a JSON object")
        return SampleFacts()
    payload = _payload(size, open_file)
    interval = payload.get("interval_ms", _DEFAULT_INTERVAL_MS)
    if isinstance(interval, bool) or not isinstance(interval, (int, float)) or not 0 <= interval < math.inf:
        raise RefusedFile("payload.interval_ms must be a number")
    sensors = tuple((str(each.get("name", "")), str(each.get("units", ""))) for each in payload["sensors"])
    return SampleFacts(sensors=sensors, values=len(payload["values"]), interval_ms=float(interval))


def _payload(size: int, open_file: Open) -> dict[str, Any]:
    with open_file() as stream:
        content = stream.read(size)
    try:
        acquired = json.loads(content)
    except (ValueError, RecursionError):
        raise RefusedFile("The file is not valid JSON") from None
    payload = acquired.get("payload") if isinstance(acquired, dict) else None
    if not isinstance(payload, dict):
        raise RefusedFile("The file has no payload: it is not in the data acquisition format")
    for member in ("sensors", "values"):
        if not isinstance(payload.get(member), list):
            raise RefusedFile(f"payload.{member} must be a list")
    if not all(isinstance(each, dict) for each in payload["sensors"]):
        raise RefusedFile("payload.sensors must be objects")
    return payload


def _examine_csv(size: int, open_file: Open) -> SampleFacts:
    head = _head(size, open_file)
    try:
        # The head may end within a character.
        text = head.decode() if len(head) == size else head[: head.rfind(b"\n") + 1].decode()
    except UnicodeDecodeError:
        raise RefusedFile("The file is not text in UTF-8") from None
    if "\0" in text:
        raise RefusedFile("The file is not text")
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or not any(rows[0]):
        raise RefusedFile("The file has no columns")
    header = rows[0]
    if not _is_time(header):
        return SampleFacts(sensors=tuple((name, "N/A") for name in header), values=max(0, _lines(size, open_file) - 1))
    times = [_number(row[0]) for row in rows[1:3] if row]
    interval = times[1] - times[0] if len(times) == 2 else _DEFAULT_INTERVAL_MS
    sensors = tuple((name.strip(), "N/A") for name in header[1:])
    return SampleFacts(sensors=sensors, values=max(0, _lines(size, open_file) - 1), interval_ms=max(0.0, interval))


def _is_time(header: list[str]) -> bool:
    return bool(header) and header[0].strip().lower() == "timestamp"


def _rows(open_file: Open) -> Iterator[list[str]]:
    with open_file() as stream:
        yield from csv.reader(io.StringIO(stream.read(MAX_PARSED_BYTES).decode("utf-8", "replace")))


def _number(cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def _lines(size: int, open_file: Open) -> int:
    lines, left, last = 0, size, b""
    with open_file() as stream:
        while left and (chunk := stream.read(min(left, _CHUNK_BYTES))):
            lines += chunk.count(b"\n")
            left -= len(chunk)
            last = chunk[-1:]
    return lines + (last != b"\n")


def _examine_wav(size: int, open_file: Open) -> SampleFacts:
    head = _head(size, open_file)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise RefusedFile("The file is not a WAV file")
    values, interval = 0, 0.0
    if head[12:16] == b"fmt " and len(head) >= 36:
        rate, block = struct.unpack_from("<I4xH", head, 24)
        values, interval = (size - 44) // block if block else 0, 1000 / rate if rate else 0.0
    return SampleFacts(sensors=(("audio", "wav"),), values=max(0, values), interval_ms=interval)


def _examine_png(size: int, open_file: Open) -> SampleFacts:
    head = _head(size, open_file)
    if head[:8] != b"\x89PNG\r\n\x1a\n" or head[12:16] != b"IHDR" or len(head) < 24:
        raise RefusedFile("The file is not a PNG image")
    return _image(*struct.unpack_from(">II", head, 16))


def _examine_jpeg(size: int, open_file: Open) -> SampleFacts:
    head = _head(size, open_file)
    if head[:3] != b"\xff\xd8\xff":
        raise RefusedFile("The file is not a JPEG image")
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker, length = struct.unpack_from(">xBH", head, at)
        if marker in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return _image(width, height)
        at += 2 + length
    return SampleFacts(chart="image", sensors=(("image", "rgba"),))


def _image(width: int, height: int) -> SampleFacts:
    return SampleFacts(chart="image", sensors=(("image", "rgba"),), values=1, width=width, height=height)


def _examine_by_magic(kind: str, begins: Callable[[bytes], bool], facts: SampleFacts) -> Callable[..., SampleFacts]:
    def examine_file(size: int, open_file: Open) -> SampleFacts:
        if not begins(_head(size, open_file)):
            raise RefusedFile(f"The file is not {kind}")
        return facts

    return examine_file


def _head(size: int, open_file: Open) -> bytes:
    with open_file() as stream:
        return stream.read(min(size, _HEAD_BYTES))


_VIDEO = SampleFacts(chart="video", sensors=(("video", "rgba"),))
_EXAMINERS: dict[str, Callable[[int, Open], SampleFacts]] = {
    ".json": _examine_json,
    ".csv": _examine_csv,
    ".txt": _examine_csv,
    ".wav": _examine_wav,
    ".png": _examine_png,
    ".jpg": _examine_jpeg,
    ".jpeg": _examine_jpeg,
    ".cbor": _examine_by_magic(
        "a CBOR map", lambda head: 0xA0 <= head[0] <= 0xBF or head[:3] == b"\xd9\xd9\xf7", SampleFacts()
    ),
    ".mp4": _examine_by_magic("an MP4 video", lambda head: head[4:8] == b"ftyp", _VIDEO),
    ".avi": _examine_by_magic("an AVI video", lambda head: head[:4] == b"RIFF" and head[8:12] == b"AVI ", _VIDEO),
    ".parquet": _examine_by_magic("a Parquet file", lambda head: head[:4] == b"PAR1", SampleFacts(chart="table")),
}
