"""Reading and hashing while sending: the digest is the same for every kind of handle, and no thread is left behind."""

from __future__ import annotations

import hashlib
import io
import random
import threading
import time
from pathlib import Path

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseFileError
from airflow_provider_ei.studio.files import LARGE_FILE_BYTES, UploadFile
from airflow_provider_ei.studio.hashing import BLOCKS
from airflow_provider_ei.studio.multipart import MultipartBody
from airflow_provider_ei.studio.transport import BLOCK_BYTES
from tests.support.files import FailingFile, MadeUpFile, MeddledFile, pinned

SIZES = [
    0,
    1,
    BLOCK_BYTES,
    LARGE_FILE_BYTES - 1,
    LARGE_FILE_BYTES,
    LARGE_FILE_BYTES + 1,
    3 * BLOCKS * BLOCK_BYTES,
    3 * BLOCKS * BLOCK_BYTES + 1,
]


def hash_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "edge-impulse-hash"]


def read_all(body: MultipartBody, block: int) -> bytes:
    return b"".join(bytes(read) for read in iter(lambda: body.read(block), b""))


@pytest.mark.parametrize("block", [1000, BLOCK_BYTES, 3 * BLOCK_BYTES], ids=lambda n: f"blocks-of-{n}")
@pytest.mark.parametrize("kind", ["file", "other-handle"])
def test_digest_and_bytes_are_those_of_the_files(tmp_path: Path, kind: str, block: int) -> None:
    contents = {f"{size}.bin": random.Random(size).randbytes(size) for size in SIZES}
    files: list[UploadFile] = [pinned(tmp_path / name, data) for name, data in contents.items()]
    if kind == "other-handle":
        files = [MeddledFile(file, lambda: None) if file.size else file for file in files]
    with MultipartBody([("name", "x")], files) as body:
        sent = read_all(body, block)
        assert body.sha256_by_name() == {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    place = 0
    for data in contents.values():
        place = sent.index(data, place) + len(data)
    assert not hash_threads()


def test_small_files_take_no_thread(tmp_path: Path) -> None:
    with MultipartBody([], [pinned(tmp_path / "a", b"x" * (LARGE_FILE_BYTES - 1))]) as body:
        read_all(body, BLOCK_BYTES)
        assert not hash_threads()


def test_no_thread_is_left_when_the_source_fails(tmp_path: Path) -> None:
    file = FailingFile(OSError("disk"), size=LARGE_FILE_BYTES * 2, good=LARGE_FILE_BYTES)
    with pytest.raises(EdgeImpulseFileError), MultipartBody([], [file]) as body:
        read_all(body, BLOCK_BYTES)
    assert not hash_threads()


def test_no_thread_is_left_when_the_request_is_given_up_midway(tmp_path: Path) -> None:
    with MultipartBody([], [pinned(tmp_path / "a", bytes(LARGE_FILE_BYTES * 4))]) as body:
        for _ in range(BLOCKS):
            body.read(BLOCK_BYTES)
        assert hash_threads()
    assert not hash_threads()


class _Slow(io.BytesIO):
    """A handle that takes its time, and notices when it is closed during a read."""

    closed_too_early = False
    _reads = False

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads = True
        time.sleep(0.02)
        data = super().read(size)
        self._reads = False
        return data

    def close(self) -> None:
        self.closed_too_early = self._reads
        super().close()


@pytest.mark.parametrize("blocks", [1, 2, BLOCKS + 1])
def test_a_file_is_not_closed_while_it_is_being_read_ahead(monkeypatch: pytest.MonkeyPatch, blocks: int) -> None:
    handle = _Slow(bytes(LARGE_FILE_BYTES * 4))
    file = MadeUpFile("slow.bin", handle.getvalue())
    monkeypatch.setattr(MadeUpFile, "open", lambda _: handle)
    with MultipartBody([], [file]) as body:
        for _ in range(1 + blocks):  # the first one ends before the file
            body.read(BLOCK_BYTES)
    assert handle.closed
    assert not handle.closed_too_early
    assert not hash_threads()
