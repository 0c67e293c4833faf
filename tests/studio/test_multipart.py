"""What an upload puts on the wire, and what happens when a source file does not hold still."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from requests_toolbelt import MultipartEncoder

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseFileError
from airflow_provider_ei.sources.local import LocalFile
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.files import LARGE_FILE_BYTES, UploadFile
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.multipart import MultipartBody
from airflow_provider_ei.studio.transport import BLOCK_BYTES
from tests.support.files import FailingFile, MadeUpFile, MeddledFile, pinned
from tests.support.studio import data_api

from .conftest import OpenClient
from .wire import Received, Reply, ScriptedServer

#: More than the size from which on a file is hashed in a thread of its own.
BIG = bytes(range(256)) * 6000

NAMES = [
    pytest.param("raw.csv", id="plain"),
    pytest.param("a b  c.csv", id="spaces"),
    pytest.param('run "x".csv', id="quotes"),
    pytest.param("Prüfung-é.csv", id="non-ascii"),
    pytest.param("e\u0301.csv", id="decomposed"),
    pytest.param("測定 📈.csv", id="emoji"),
    pytest.param("day 1/s/x.csv", id="folders"),
    pytest.param("100%;a=b'c.csv", id="signs"),
    pytest.param("back\\slash.csv", id="backslash"),
    pytest.param("x" * 255, id="long"),
]


def add(client: HttpClient, *files: UploadFile, **fields: Any) -> tuple[int, dict[str, str]]:
    given: dict[str, Any] = {"name": "run 1", "dataset": "vibration", "metadata": {"machine": "pump 7"}} | fields
    return data_api(client).add_data_item(files=files, **given)


def sent_by(studio_open: OpenClient, *files: UploadFile, **fields: Any) -> Received:
    with ScriptedServer() as server:
        add(studio_open(server.url), *files, **fields)
        (request,) = server.received
    return request


class TestBytesOnTheWire:
    def test_parts_come_in_the_order_of_the_official_client(self, studio_open: OpenClient) -> None:
        files = [MadeUpFile("1.csv"), MadeUpFile("2.csv")]
        request = sent_by(studio_open, *files, bucket_id=5, bucket_name="Internal datasets", bucket_path="a/b")
        assert [part.name for part in request.parts()] == [
            "name",
            "bucketId",
            "bucketName",
            "dataset",
            "bucketPath",
            "metadata",
            "files[]",
            "files[]",
        ]

    def test_optional_fields_that_are_not_given_are_not_sent(self, studio_open: OpenClient) -> None:
        request = sent_by(studio_open, MadeUpFile("1.csv"))
        assert [part.name for part in request.parts()] == ["name", "dataset", "metadata", "files[]"]

    def test_fields_are_sent_as_utf8(self, studio_open: OpenClient) -> None:
        metadata = {"größe": '5 "m" 📈', "line": "a\nb", "empty": ""}
        request = sent_by(
            studio_open,
            MadeUpFile("1.csv"),
            name='Läufe "neu" 📈/1',
            dataset="Schwingung é",
            metadata=metadata,
            bucket_id=5,
            bucket_path="größe/1",
        )
        content = {part.name: part.content for part in request.parts()}
        assert content["name"] == 'Läufe "neu" 📈/1'.encode()
        assert content["dataset"] == "Schwingung é".encode()
        assert content["bucketId"] == b"5"
        assert content["bucketPath"] == "größe/1".encode()
        assert json.loads(content["metadata"]) == metadata
        assert "größe".encode() in content["metadata"]

    @pytest.mark.parametrize("name", NAMES)
    def test_file_names_travel_as_utf8_with_only_the_quote_escaped(self, studio_open: OpenClient, name: str) -> None:
        part = sent_by(studio_open, MadeUpFile(name)).parts()[-1]
        on_the_wire = name.replace('"', "%22").encode()
        assert b'Content-Disposition: form-data; name="files[]"; filename="' + on_the_wire + b'"' in part.head.split(
            b"\r\n"
        )

    def test_each_file_has_its_content_type_and_its_bytes(self, studio_open: OpenClient) -> None:
        files = [
            MadeUpFile("1.bin", BIG, "application/octet-stream"),
            MadeUpFile("2.csv", b"\r\n--x--\r\n", "text/csv"),
        ]
        first, second = sent_by(studio_open, *files).parts()[-2:]
        assert b"Content-Type: application/octet-stream" in first.head.split(b"\r\n")
        assert first.content == BIG
        assert b"Content-Type: text/csv" in second.head.split(b"\r\n")
        assert second.content == b"\r\n--x--\r\n"

    @pytest.mark.parametrize("fields", [[], [("name", 'a "b" é'), ("metadata", "{}")]], ids=["none", "two"])
    def test_body_is_that_of_requests_toolbelt(self, fields: list[tuple[str, str]]) -> None:
        sizes = [0, 1, 5, 128 * 1024 - 300, 128 * 1024, 0, 128 * 1024 + 1, LARGE_FILE_BYTES - 1, LARGE_FILE_BYTES, 3]
        names = [str(name.values[0]) for name in NAMES]
        files = [MadeUpFile(name, os.urandom(size)) for name, size in zip(names, sizes, strict=True)]
        with MultipartBody(fields, files) as body:
            sent = body.to_string()
        parts = [("files[]", (file.name, file.data, file.content_type)) for file in files]
        assert sent == MultipartEncoder([*fields, *parts], boundary=body.boundary_value).to_string()
        assert len(sent) == body.len

    def test_small_files_leave_together_in_blocks_of_the_socket(self) -> None:
        files = [MadeUpFile(f"{number}.csv", bytes(4096)) for number in range(1000)]
        with MultipartBody([], files) as body:
            blocks = [len(block) for block in iter(lambda: body.read(BLOCK_BYTES), b"")]
        assert sum(blocks) == body.len
        assert max(blocks) <= BLOCK_BYTES
        assert min(blocks[:-1]) > BLOCK_BYTES - 2 * 4096

    def test_the_length_is_announced_and_kept(self, studio_open: OpenClient) -> None:
        request = sent_by(studio_open, MadeUpFile("1.bin", BIG), MadeUpFile("é.csv", b""))
        assert int(request.headers["content-length"]) == len(request.body)
        assert "transfer-encoding" not in request.headers


class TestStoredItem:
    @pytest.mark.parametrize("name", NAMES)
    def test_item_and_file_of_any_name_arrive(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, name: str
    ) -> None:
        data_id, hashes = add(studio_client, MadeUpFile(name, BIG, "audio/wav"), name=name, dataset=name)
        (item,) = studio_emulator.items()
        assert (item.id, item.name, item.dataset) == (data_id, name, name)
        assert [(file.name, file.size, file.content_type) for file in item.files] == [(name, len(BIG), "audio/wav")]
        assert studio_emulator.read_file(data_id, name) == BIG
        assert hashes == {name: hashlib.sha256(BIG).hexdigest()}

    def test_fields_arrive(self, studio_emulator: EmulatorServer, studio_client: HttpClient) -> None:
        metadata = {"größe": '5 "m"', "a b": "📈", "empty": ""}
        add(studio_client, MadeUpFile("1.csv"), metadata=metadata, bucket_name="Internal datasets", bucket_path="a/b")
        (item,) = studio_emulator.items()
        assert item.metadata == metadata
        assert (item.bucket_name, item.bucket_path) == ("Internal datasets", "a/b")

    @pytest.mark.parametrize("position", [0, 1, 2])
    def test_empty_file_beside_others(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, position: int
    ) -> None:
        files = [MadeUpFile("1.bin", BIG), MadeUpFile("2.csv")]
        files.insert(position, MadeUpFile("empty.csv", b""))
        data_id, hashes = add(studio_client, *files)
        stored = {file.name: studio_emulator.read_file(data_id, file.name) for file in files}
        assert stored == {"1.bin": BIG, "2.csv": b"t,x\n0,1\n", "empty.csv": b""}
        assert hashes["empty.csv"] == hashlib.sha256(b"").hexdigest()

    def test_only_empty_files(self, studio_emulator: EmulatorServer, studio_client: HttpClient) -> None:
        add(studio_client, MadeUpFile("1.csv", b""), MadeUpFile("2.csv", b""))
        (item,) = studio_emulator.items()
        assert [(file.name, file.size) for file in item.files] == [("1.csv", 0), ("2.csv", 0)]

    def test_file_of_exactly_the_blocks_of_the_socket(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient
    ) -> None:
        sizes = [128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 3 * 128 * 1024]
        files = [MadeUpFile(f"{size}.bin", os.urandom(size)) for size in sizes]
        data_id, _ = add(studio_client, *files)
        assert [studio_emulator.read_file(data_id, file.name) for file in files] == [file.data for file in files]

    def test_files_are_added_to_an_item(self, studio_emulator: EmulatorServer, studio_client: HttpClient) -> None:
        data_id, _ = add(studio_client, MadeUpFile("1.csv", b"old"), MadeUpFile("2.csv", b"kept"))
        hashes = data_api(studio_client).add_files(data_id, [MadeUpFile("1.csv", b"new"), MadeUpFile("3.csv", b"more")])
        assert [studio_emulator.read_file(data_id, f"{n}.csv") for n in (1, 2, 3)] == [b"new", b"kept", b"more"]
        assert hashes == {"1.csv": hashlib.sha256(b"new").hexdigest(), "3.csv": hashlib.sha256(b"more").hexdigest()}


class TestOpenFiles:
    def test_many_files_with_one_descriptor(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, tmp_path: Path
    ) -> None:
        most = 0

        class Watched(MeddledFile):
            def open(self) -> BinaryIO:
                nonlocal most
                handle = super().open()
                most = max(most, open_below(tmp_path))
                return handle

        files = [Watched(pinned(tmp_path / f"{n}.csv", b"%d" % n), lambda: None) for n in range(3000)]
        data_id, hashes = add(studio_client, *files)
        (item,) = studio_emulator.items()
        assert item.file_count == len(hashes) == 3000
        assert studio_emulator.read_file(data_id, "2999.csv") == b"2999"
        assert most == 1
        assert open_below(tmp_path) == 0

    @pytest.mark.parametrize("fault", ["cut_body", "status", "drop_after"])
    def test_none_is_left_open_after_a_failure(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, tmp_path: Path, fault: Any
    ) -> None:
        studio_emulator.inject(Fault(kind=fault, after_bytes=1000))
        files = [pinned(tmp_path / f"{n}.bin", BIG * 4) for n in range(3)]
        with pytest.raises(Exception):  # noqa: B017  # which one is the concern of other tests
            add(studio_client, *files)
        assert open_below(tmp_path) == 0

    def test_none_is_left_open_after_an_unreadable_file(self, studio_client: HttpClient, tmp_path: Path) -> None:
        grown = pinned(tmp_path / "2.bin", BIG)
        (tmp_path / "2.bin").write_bytes(BIG + b"x")
        with pytest.raises(EdgeImpulseFileError):
            add(studio_client, pinned(tmp_path / "1.bin", BIG), grown)
        assert open_below(tmp_path) == 0


def open_below(folder: Path) -> int:
    """How many files below a folder this process has open."""
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{descriptor}").startswith(f"{folder}/")
        except FileNotFoundError:
            continue
    return count


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def rewrite(path: Path) -> None:
    """New content of the same length in the same file, an hour later."""
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, (1, 1))


def replace(path: Path) -> None:
    """Another file of the same length and time in its place."""
    found = path.stat()
    other = path.with_name("other")
    other.write_bytes(BIG[::-1])
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)


CHANGES = [
    pytest.param(append, id="grows"),
    pytest.param(lambda path: os.truncate(path, 100), id="shrinks"),
    pytest.param(lambda path: os.truncate(path, 0), id="is emptied"),
    pytest.param(rewrite, id="is rewritten"),
]


class TestFilesThatChange:
    """Half a file is never stored, and the error says which file it was."""

    @pytest.mark.parametrize(
        "change",
        [*CHANGES, pytest.param(replace, id="is replaced"), pytest.param(Path.unlink, id="vanishes")],
    )
    def test_between_pinning_and_sending(
        self,
        studio_emulator: EmulatorServer,
        studio_client: HttpClient,
        tmp_path: Path,
        change: Callable[[Path], object],
    ) -> None:
        path = tmp_path / "raw.csv"
        file = pinned(path, BIG)
        change(path)
        self.assert_refused(studio_emulator, studio_client, str(path), MadeUpFile("1.csv", BIG), file)

    @pytest.mark.parametrize("change", CHANGES)
    def test_while_it_is_sent(
        self,
        studio_emulator: EmulatorServer,
        studio_client: HttpClient,
        tmp_path: Path,
        change: Callable[[Path], object],
    ) -> None:
        path = tmp_path / "raw.csv"
        file = MeddledFile(pinned(path, BIG), lambda: change(path))
        self.assert_refused(studio_emulator, studio_client, str(path), file, MadeUpFile("2.csv"))

    @pytest.mark.parametrize("change", [pytest.param(replace, id="replaced"), pytest.param(Path.unlink, id="unlinked")])
    def test_the_open_file_is_sent_whole_when_its_name_goes(
        self,
        studio_emulator: EmulatorServer,
        studio_client: HttpClient,
        tmp_path: Path,
        change: Callable[[Path], object],
    ) -> None:
        path = tmp_path / "raw.csv"
        data_id, _ = add(studio_client, MeddledFile(pinned(path, BIG), lambda: change(path)))
        assert studio_emulator.read_file(data_id, "raw.csv") == BIG

    def test_empty_file_that_grew(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, tmp_path: Path
    ) -> None:
        path = tmp_path / "empty.csv"
        file = pinned(path, b"")
        append(path)
        self.assert_refused(studio_emulator, studio_client, str(path), MadeUpFile("1.csv"), file)

    def test_empty_file_that_vanished(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, tmp_path: Path
    ) -> None:
        path = tmp_path / "empty.csv"
        file = pinned(path, b"")
        path.unlink()
        self.assert_refused(studio_emulator, studio_client, str(path), MadeUpFile("1.csv"), file)

    def test_file_that_became_a_directory(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, tmp_path: Path
    ) -> None:
        path = tmp_path / "raw.csv"
        file = pinned(path, BIG)
        path.unlink()
        path.mkdir()
        self.assert_refused(studio_emulator, studio_client, str(path), file)

    @pytest.mark.parametrize("size", [100, len(BIG)], ids=["small", "large"])
    def test_nothing_is_taken_from_a_pipe_in_the_place_of_a_file(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, tmp_path: Path, size: int
    ) -> None:
        path = tmp_path / "raw.csv"
        file = pinned(path, BIG[:size])
        path.unlink()
        os.mkfifo(path)
        with open(os.open(path, os.O_RDWR | os.O_NONBLOCK), "r+b", buffering=0) as pipe:
            pipe.write(b"for somebody else")
            error = self.assert_refused(studio_emulator, studio_client, str(path), file)
            assert pipe.read(100) == b"for somebody else"
        assert "is a pipe now" in str(error)

    @pytest.mark.parametrize(
        "error",
        [
            pytest.param(OSError(5, "Input/output error"), id="OSError"),
            pytest.param(PermissionError(13, "Permission denied"), id="PermissionError"),
            pytest.param(ConnectionResetError(104, "reset by the store"), id="ConnectionResetError"),
            pytest.param(BrokenPipeError(32, "the store's pipe"), id="BrokenPipeError"),
            pytest.param(TimeoutError("the store timed out"), id="TimeoutError"),
            pytest.param(ValueError("I/O operation on closed file"), id="ValueError"),
            pytest.param(RuntimeError(), id="without a text"),
        ],
    )
    @pytest.mark.parametrize(
        "good",
        [pytest.param(None, id="at open"), pytest.param(0, id="first read"), pytest.param(300_000, id="later read")],
    )
    def test_any_error_of_the_source(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, error: Exception, good: int | None
    ) -> None:
        file = FailingFile(error, good=good)
        self.assert_refused(studio_emulator, studio_client, "made-up/failing.csv", MadeUpFile("1.csv"), file)

    @pytest.mark.parametrize(
        ("stated_size", "words"),
        [pytest.param(7, "grew", id="longer than pinned"), pytest.param(9, "shrank", id="shorter than pinned")],
    )
    def test_source_of_another_length_than_its_store_said(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, stated_size: int, words: str
    ) -> None:
        file = MadeUpFile("x.csv", b"8 bytes.", stated_size=stated_size)
        error = self.assert_refused(studio_emulator, studio_client, "made-up/x.csv", file)
        assert words in str(error)

    def test_source_of_no_pinned_bytes_that_has_some(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient
    ) -> None:
        file = MadeUpFile("x.csv", b"8 bytes.", stated_size=0)
        self.assert_refused(studio_emulator, studio_client, "made-up/x.csv", file)

    def test_it_is_not_tried_again_and_passes_later(
        self, studio_emulator: EmulatorServer, studio_open: OpenClient, studio_sleeps: list[float], tmp_path: Path
    ) -> None:
        file = pinned(tmp_path / "raw.csv", BIG)
        append(tmp_path / "raw.csv")
        client = studio_open(studio_emulator.url, retry_attempts=4)
        data_id, _ = add(client, MadeUpFile("1.csv"))
        with pytest.raises(EdgeImpulseFileError) as caught:
            data_api(client).add_files(data_id, [file])
        assert caught.value.retryable
        assert studio_sleeps == []
        (item,) = studio_emulator.items()
        assert [f.name for f in item.files] == ["1.csv"]
        data_api(client).add_files(data_id, [LocalFile.pin(str(tmp_path / "raw.csv"), "raw.csv", "text/csv")])
        assert studio_emulator.read_file(data_id, "raw.csv") == BIG + b"more"

    def assert_refused(
        self, server: EmulatorServer, client: HttpClient, source: str, *files: UploadFile
    ) -> EdgeImpulseFileError:
        with pytest.raises(EdgeImpulseFileError) as caught:
            add(client, *files)
        assert not isinstance(caught.value, OSError)
        assert source in str(caught.value)
        # A request that was cut off may still be on its way; a later one comes after it.
        list_organizations(client)
        assert server.items() == []
        assert [request for request in server.requests() if request.changed] == []
        return caught.value


class TestNewBodyForEachTry:
    def test_every_try_has_all_bytes(
        self, studio_emulator: EmulatorServer, studio_open: OpenClient, tmp_path: Path
    ) -> None:
        client = studio_open(studio_emulator.url, retry_attempts=4)
        data_id, _ = add(client, MadeUpFile("1.csv"))
        studio_emulator.clear_requests()
        studio_emulator.inject(
            Fault(kind="status", status=503), Fault(kind="drop_after"), Fault(kind="cut_body", after_bytes=200_000)
        )
        files = [pinned(tmp_path / "raw.bin", BIG), pinned(tmp_path / "empty.csv", b""), MadeUpFile("é.csv")]
        hashes = data_api(client).add_files(data_id, files)
        tries = studio_emulator.requests()
        assert [request.fault for request in tries] == ["status", "drop_after", "cut_body", None]
        whole = [tries[0], tries[1], tries[3]]
        assert [{f.name: f.sha256 for f in request.files} for request in whole] == [hashes] * 3
        assert [{f.name: f.size for f in request.files} for request in whole] == [
            {"raw.bin": len(BIG), "empty.csv": 0, "é.csv": 8}
        ] * 3
        assert studio_emulator.read_file(data_id, "raw.bin") == BIG

    def test_a_try_opens_the_file_again(self, studio_open: OpenClient) -> None:
        file = MadeUpFile("1.bin", BIG)
        with ScriptedServer(Reply(503), Reply(429), Reply()) as server:
            data_api(studio_open(server.url, retry_attempts=3)).add_files(1, [file])
            bodies = [request.parts()[-1].content for request in server.received]
        assert bodies == [BIG] * 3
        assert file.opened == 3

    def test_file_that_changes_between_two_tries(
        self, studio_emulator: EmulatorServer, studio_open: OpenClient, tmp_path: Path
    ) -> None:
        client = studio_open(studio_emulator.url, retry_attempts=3)
        data_id, _ = add(client, MadeUpFile("1.csv"))
        file = pinned(tmp_path / "raw.csv", BIG)
        client.sleep = lambda seconds: append(tmp_path / "raw.csv")
        studio_emulator.inject(Fault(kind="drop_before"))
        with pytest.raises(EdgeImpulseFileError):
            data_api(client).add_files(data_id, [file])
        list_organizations(client)
        (item,) = studio_emulator.items()
        assert [f.name for f in item.files] == ["1.csv"]
