"""Gigabytes and thousands of files: constant memory, few descriptors, over TLS."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
import requests

from tests.conftest import API_KEY
from tests.slow.conftest import Upload

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MEBIBYTE = 1024 * 1024


def test_memory_does_not_grow_with_the_file(upload: Upload, tmp_path: Path) -> None:
    small, large = tmp_path / "small.bin", tmp_path / "large.bin"
    small.write_bytes(bytes(MEBIBYTE))
    size = int(2.3 * 1024) * MEBIBYTE
    with large.open("wb") as file:
        file.write(b"begin")
        file.truncate(size)  # sparse: it occupies no space on the disk, but is sent byte for byte
    first = upload("small", str(small))
    second = upload("large", str(large))
    assert second["result"]["total_bytes"] == size
    assert second["result"]["outcome"] == "created"
    grown = second["peak_bytes"] - first["peak_bytes"]
    print(f"peak memory: 1 MiB {first['peak_bytes']:,} bytes, 2.3 GiB {second['peak_bytes']:,} bytes, {grown:+,}")
    assert grown <= 24_000_000


def test_twelve_thousand_files_with_256_descriptors(
    upload: Upload, tls_emulator: str, certificate: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(12_000):
        (folder / f"{number:05d}.csv").write_bytes(f"timestamp,x\n0,{number}\n".encode())
    first = upload("many", str(folder), "256")
    assert (first["result"]["outcome"], first["result"]["file_count"]) == ("created", 12_000)
    assert upload("many", str(folder), "256")["result"]["outcome"] == "unchanged"
    answer = requests.get(
        f"{tls_emulator}/api/organizations/1/data/{first['result']['data_id']}/download",
        headers={"x-api-key": API_KEY},
        verify=str(certificate),
        timeout=60,
    )
    with zipfile.ZipFile(io.BytesIO(answer.content)) as stored:
        assert sorted(stored.namelist()) == sorted(path.name for path in folder.iterdir())
        assert [n for n in stored.namelist() if stored.read(n) != (folder / n).read_bytes()] == []
