"""Media types by file name, the same on every machine."""

from __future__ import annotations

import mimetypes
import re
from functools import lru_cache

from airflow_provider_ei.exceptions import EdgeImpulseInputError

DEFAULT = "application/octet-stream"

# The machine's own tables are not used, because they differ. Formats of sensor data are added.
_types = mimetypes.MimeTypes(filenames=())
for _ending, _type in {
    ".cbor": "application/cbor",
    ".csv": "text/csv",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".wav": "audio/wav",
}.items():
    _types.add_type(_type, _ending)

_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf'{_TOKEN}/{_TOKEN}(?:[ ]*;[ ]*{_TOKEN}=(?:{_TOKEN}|"[ !#-\[\]-~]*"))*')


def guess(name: str) -> str:
    """Return the media type for a file name; ``application/octet-stream`` for an unknown extension."""
    _, dot, ending = name.rpartition("/")[2].lstrip(".").partition(".")
    return _guess_by_ending(ending) if dot else DEFAULT


@lru_cache(maxsize=4096)
def _guess_by_ending(ending: str) -> str:
    kind, encoding = _types.guess_type(f"x.{ending}")
    if encoding:
        return _COMPRESSED.get(encoding, DEFAULT)
    return kind or DEFAULT


def check(value: object, source: str) -> str:
    """Validate and return a media type given by the user.

    :raises EdgeImpulseInputError: when it is not valid, for instance because it contains a line break.
    """
    if not isinstance(value, str) or not _MEDIA_TYPE.fullmatch(value):
        raise EdgeImpulseInputError(f"files: give a content_type such as 'text/csv', not {value!r}, for {source!r}.")
    return value
