"""Digests of an item's content, short enough for its metadata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import closing

import msgspec

from airflow_provider_ei.studio.files import LARGE_FILE_BYTES, PinnedReader, UploadFile, read_whole
from airflow_provider_ei.studio.hashing import HashThread

#: Part of every digest, so that digests computed in a different way in the future do not match.
DIGEST_VERSION = 1

_encode = msgspec.json.Encoder(order="sorted").encode
_encode_anything = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


def sha256_of(file: UploadFile, check: Callable[[], object] = lambda: None) -> str:
    """Read a file to its end and return its SHA-256 in hex.

    :param check: called with each block; raises to stop early.
    :raises EdgeImpulseFileError: when the file cannot be read, or changes while it is read.
    """
    check()
    if file.size < LARGE_FILE_BYTES:
        return hashlib.sha256(read_whole(file)).hexdigest()
    thread = HashThread()
    try:
        reader = PinnedReader(file, thread)
        with closing(reader.blocks()) as blocks:
            for _ in blocks:
                check()
    finally:
        thread.finish()
    return reader.sha256()


def canonical(value: object) -> bytes:
    """Return JSON that is the same on every machine."""
    try:
        return _encode(value)
    except (ValueError, TypeError, OverflowError):  # lone surrogates, subclasses of str, integers of more than 64 bits
        return _encode_anything(value).encode(errors="surrogatepass")


def files_digest(files: Mapping[str, tuple[int, str]]) -> str:
    """Return the digest of an item's files: SHA-256 over their sorted names, sizes and hashes.

    :param files: size in bytes and SHA-256 in hex, by name.
    """
    return _digest({"scheme": DIGEST_VERSION, "files": [(name, *files[name]) for name in sorted(files)]})


def item_digest(files: str, metadata: Mapping[str, str]) -> str:
    """Return the digest of a whole item, from its files' digest and the user's metadata."""
    return _digest({"scheme": DIGEST_VERSION, "files": files, "metadata": dict(metadata)})


def _digest(value: object) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()
