"""Downloaded files at their destination: whole or not there, under names that stay in their directory."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import fsspec
import pytest

from airflow_provider_ei.destinations import MAX_FILE_NAME, IncomingFile, incoming_file, safe_file_name
from airflow_provider_ei.exceptions import EdgeImpulseFileError, EdgeImpulseInputError


def no_store(uri: str) -> Any:
    raise AssertionError(uri)


@pytest.mark.parametrize(
    ("sent", "safe"),
    [
        ("firmware.zip", "firmware.zip"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\firmware.zip", "firmware.zip"),
        ("/etc/cron.d/x", "x"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("", "file"),
        ("a\nb\0c.zip", "abc.zip"),
        ("a/", "file"),
        ("é" * 500 + ".zip", "é" * 98 + ".zip"),
    ],
)
def test_a_name_of_the_service_stays_in_the_directory(sent: str, safe: str) -> None:
    assert safe_file_name(sent) == safe
    assert len(safe.encode()) <= MAX_FILE_NAME


class TestDisk:
    def test_a_file_appears_when_it_is_saved(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "firmware.zip"
        with incoming_file("path", str(path), no_store) as (file, save):
            file.begin()(b"half")
            take = file.begin()
            take(b"who")
            take(b"le")
            assert not path.exists()
            assert save("other.zip") == str(path)
        assert path.read_bytes() == b"whole"
        assert (file.size, file.sha256) == (5, hashlib.sha256(b"whole").hexdigest())
        assert [one.name for one in path.parent.iterdir()] == ["firmware.zip"]

    def test_what_was_there_stays_when_it_is_not_saved(self, tmp_path: Path) -> None:
        path = tmp_path / "firmware.zip"
        path.write_bytes(b"before")
        with pytest.raises(ZeroDivisionError), incoming_file("path", str(path), no_store) as (file, _):
            file.begin()(b"half")
            raise ZeroDivisionError
        assert path.read_bytes() == b"before"
        assert [one.name for one in tmp_path.iterdir()] == ["firmware.zip"]

    @pytest.mark.parametrize("location", ["{}", "{}/"])
    def test_a_directory_gets_the_name(self, tmp_path: Path, location: str) -> None:
        with incoming_file("path", location.format(tmp_path), no_store) as (file, save):
            file.begin()(b"1")
            save("../firmware.zip")
        assert (tmp_path / "firmware.zip").read_bytes() == b"1"

    def test_a_place_that_cannot_be_a_directory_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"1")
        with (
            pytest.raises(EdgeImpulseInputError, match=r"^Check the permissions of path: "),
            incoming_file("path", str(tmp_path / "file" / "firmware.zip"), no_store),
        ):
            pass

    def test_a_full_disk_is_no_error_of_the_network(self) -> None:
        message = r"^Check the disk that path leads to: .* No space left"
        with open("/dev/full", "wb", buffering=0) as full, pytest.raises(EdgeImpulseFileError, match=message):
            IncomingFile(full, "path")._take(b"1")

    @pytest.mark.parametrize("location", ["", "firmware.zip"])
    def test_a_location_must_be_absolute(self, location: str) -> None:
        with pytest.raises(EdgeImpulseInputError, match=r"^path"), incoming_file("path", location, no_store):
            pass


class TestStore:
    """A store that is not known to show only whole objects."""

    @pytest.fixture
    def store(self) -> Any:
        memory = fsspec.filesystem("memory")
        memory.pipe_file("/models/firmware.zip", b"before")
        yield memory
        memory.rm("/models", recursive=True)

    def test_an_object_is_moved_to_its_place(self, store: Any) -> None:
        uri = "memory://models/firmware.zip"
        with incoming_file("path", uri, lambda _: (store, "/models/firmware.zip")) as (file, save):
            file.begin()(b"whole")
            assert save("other.zip") == uri
        assert store.find("/models") == ["/models/firmware.zip"]
        assert store.cat_file("/models/firmware.zip") == b"whole"

    def test_a_store_that_keeps_less_leaves_what_was_there(self, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(store), "put_file", lambda self, _, key: self.pipe_file(key, b"who"))
        with incoming_file("path", "memory://models/", lambda _: (store, "/models")) as (file, save):
            file.begin()(b"whole")
            with pytest.raises(EdgeImpulseFileError, match="3 bytes were stored instead of 5"):
                save("firmware.zip")
        assert store.cat_file("/models/firmware.zip") == b"before"
