"""What an item's content is, in one number that fits into its metadata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from airflow_provider_ei.studio.files import OnRead, PinnedReader, UploadFile

#: Goes into every digest, so that a later way to compute it cannot be mistaken for this one.
SCHEME = 1

#: Writes JSON that is the same wherever it is written.
canonical = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode

_BLOCK_BYTES = 1024 * 1024


def sha256_of(file: UploadFile, on_read: OnRead | None = None) -> str:
    """Read a file to its end and return its SHA-256 in hex.

    :param on_read: told of each block.
    :raises EdgeImpulseFileError: when it cannot be read or changes meanwhile.
    """
    reader = PinnedReader(file, on_read)
    if file.size == 0:
        reader.check_empty()
    while reader.read(_BLOCK_BYTES):
        pass
    return reader.sha256()


def files_digest(files: Mapping[str, tuple[int, str]]) -> str:
    """Return the digest of an item's files: SHA-256 over their sorted names, sizes and hashes.

    :param files: size in bytes and SHA-256 in hex, by name.
    """
    return _digest({"scheme": SCHEME, "files": sorted([name, *facts] for name, facts in files.items())})


def item_digest(files: str, metadata: Mapping[str, str]) -> str:
    """Return the digest of a whole item: its files' digest and the user's metadata."""
    return _digest({"scheme": SCHEME, "files": files, "metadata": dict(sorted(metadata.items()))})


def _digest(value: object) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()
