"""The data directory: the emulator works in a directory of its own, and leaves the files of others alone."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.emulator.data_dir import MARKER, DataDirError

from .conftest import Client, Contract


def snapshot(folder: Path) -> dict[str, object]:
    """Everything below a folder: contents of files, targets of links."""
    seen: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        seen[name] = os.readlink(path) if path.is_symlink() else path.is_dir() or path.read_bytes()
    return seen


def start_and_stop(data_dir: Path) -> None:
    with EmulatorServer(data_dir=data_dir):
        pass


@pytest.fixture
def own(data_dir: Path, contract: Contract) -> Iterator[Path]:
    """A data directory that an emulator has used."""
    with EmulatorServer(data_dir=data_dir) as studio:
        Client(studio, contract).add("kept", [("a", b"12")])
    yield data_dir


def write(folder: Path, **files: bytes) -> None:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def database(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / "emulator.sqlite")) as connection:
        connection.executescript("CREATE TABLE files (upload TEXT); INSERT INTO files VALUES ('precious');")


FOREIGN: dict[str, Callable[[Path], object]] = {
    "a file": lambda folder: write(folder, notes=b"mine"),
    "a hidden file": lambda folder: write(folder, _dot_gitignore=b"*"),
    "an empty folder": lambda folder: (folder / "uploads").mkdir(parents=True),
    "uploads of one's own": lambda folder: write(folder, uploads__photo=b"mine", uploads__deep__er=b"mine"),
    "names like the emulator's": lambda folder: write(folder, **{"uploads__" + "ab" * 16: b"mine"}),
    "a database": database,
    "an older version's data": lambda folder: (database(folder), (folder / "uploads").mkdir()),
    "a dangling link": lambda folder: (folder.mkdir(), (folder / "uploads").symlink_to("nowhere")),
    "a marker that is a folder": lambda folder: (folder / MARKER).mkdir(parents=True),
    "a marker of something else": lambda folder: write(folder, **{MARKER: b"something else"}),
    "an empty marker": lambda folder: write(folder, **{MARKER: b""}),
    "a huge marker": lambda folder: write(folder, **{MARKER: b"x" * 1_000_000}),
}


@pytest.mark.parametrize("layout", FOREIGN.values(), ids=FOREIGN)
def test_a_directory_with_other_files_is_refused_and_left_alone(
    data_dir: Path, layout: Callable[[Path], object]
) -> None:
    layout(data_dir)
    before = snapshot(data_dir)
    with pytest.raises(DataDirError) as refused:
        start_and_stop(data_dir)
    assert snapshot(data_dir) == before
    assert str(data_dir) in str(refused.value)
    assert str(refused.value).startswith("Use another data directory"), "it names the way out"


def test_a_linked_marker_is_refused(own: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    write(mine, uploads__photo=b"mine")
    (mine / MARKER).symlink_to(own / MARKER)
    before = snapshot(mine)
    with pytest.raises(DataDirError, match=re.escape(MARKER)):
        start_and_stop(mine)
    assert snapshot(mine) == before


@pytest.mark.parametrize("name", ["uploads", "emulator.sqlite", "emulator.sqlite-wal", "emulator.sqlite-shm"])
@pytest.mark.parametrize("kind", ["a link", "a dangling link", "the wrong kind"])
def test_no_symbolic_link_in_the_directory_is_followed(own: Path, tmp_path: Path, name: str, kind: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    if (own / name).exists():
        shutil.move(own / name, elsewhere)
    elif kind == "a link":
        elsewhere.write_bytes(b"mine")
    if kind == "a dangling link":
        (own / name).symlink_to(tmp_path / "nowhere")
    elif kind == "a link":
        (own / name).symlink_to(elsewhere)
    elif name == "uploads":
        (own / name).write_bytes(b"mine")
    else:
        (own / name).mkdir()
    before = snapshot(tmp_path)
    with pytest.raises(DataDirError, match=re.escape(name)):
        start_and_stop(own)
    assert snapshot(tmp_path) == before


def test_the_database_of_another_program_is_refused(own: Path) -> None:
    (own / "emulator.sqlite").unlink()
    database(own)
    before = snapshot(own)
    with pytest.raises(DataDirError, match=r"emulator\.sqlite"):
        start_and_stop(own)
    assert snapshot(own) == before


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_file_that_is_not_a_database_is_refused(own: Path, content: bytes) -> None:
    (own / "emulator.sqlite").write_bytes(content)
    before = snapshot(own)
    with pytest.raises(DataDirError, match=r"emulator\.sqlite"):
        start_and_stop(own)
    assert snapshot(own) == before


def test_a_path_that_is_not_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataDirError, match="another data directory"):
            start_and_stop(path)
    assert snapshot(tmp_path) == {"file": b"mine"}


def test_only_uploads_that_nothing_needs_are_removed(own: Path, tmp_path: Path) -> None:
    uploads = own / "uploads"
    (used,) = uploads.iterdir()
    left = [used.name[:-1] + digit for digit in "0123456789abcdef" if used.name[-1] != digit]
    for name in left[:3]:
        (uploads / name).write_bytes(b"left by a crash")
    write(
        uploads, **{name: b"mine" for name in ["notes", "ab" * 16, used.name + "x", used.name.upper(), "_dot_hidden"]}
    )
    (uploads / left[3]).mkdir()
    (uploads / left[4]).symlink_to(tmp_path)
    write(uploads / left[5], inner=b"mine")
    os.mkfifo(uploads / left[6])
    expected = {path.name for path in uploads.iterdir()} - set(left[:3])
    start_and_stop(own)
    assert {path.name for path in uploads.iterdir()} == expected
    with EmulatorServer(data_dir=own) as studio:
        assert studio.read_file(1, "a") == b"12"


def test_a_name_in_the_database_is_not_trusted(own: Path, tmp_path: Path, contract: Contract) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"12")
    with closing(sqlite3.connect(own / "emulator.sqlite")) as connection, connection:
        connection.execute("UPDATE files SET upload = '../../mine'")
    with EmulatorServer(data_dir=own) as studio:
        client = Client(studio, contract)
        assert "data directory" in client.get("/data/1/files/download", fileName="a")["error"]
        assert "data directory" in client.get("/data/1/download")["error"]
        assert client.call("DELETE", "/data/1")["success"]
    assert mine.read_bytes() == b"12"


def test_an_empty_directory_and_one_of_the_emulator_are_used(tmp_path: Path, contract: Contract) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")  # its own path may be a link: somebody named it
    for data_dir in (tmp_path / "empty", tmp_path / "link", tmp_path / "new" / "deeper"):
        with EmulatorServer(data_dir=data_dir) as studio:
            Client(studio, contract).add("item")
    with EmulatorServer(data_dir=tmp_path / "empty") as studio:
        assert [item.name for item in studio.items()] == ["item", "item"]


def test_an_interrupted_start_can_be_repeated(tmp_path: Path, contract: Contract) -> None:
    start_and_stop(tmp_path / "model")
    for number, names in enumerate([[MARKER], [MARKER, "uploads"], [MARKER, "emulator.sqlite"]]):
        data_dir = tmp_path / str(number)
        data_dir.mkdir()
        for name in names:
            if name == "uploads":
                (data_dir / name).mkdir()
            else:
                (data_dir / name).write_bytes((tmp_path / "model" / MARKER).read_bytes() if name == MARKER else b"")
        with EmulatorServer(data_dir=data_dir) as studio:
            Client(studio, contract).add()


def test_files_of_others_in_the_uploads_folder_are_kept(own: Path) -> None:
    write(own, notes=b"mine", folder__file=b"mine")
    with EmulatorServer(data_dir=own) as studio:
        assert len(studio.items()) == 1
    assert (own / "notes").read_bytes() == (own / "folder" / "file").read_bytes() == b"mine"


def test_the_command_says_in_one_line_why_it_does_not_start(tmp_path: Path) -> None:
    write(tmp_path / "mine", uploads__photo=b"mine")
    ended = subprocess.run(
        [sys.executable, "-m", "airflow_provider_ei.emulator", "--port=0", f"--data-dir={tmp_path / 'mine'}"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith("Edge Impulse emulator: Use another data directory")
    assert snapshot(tmp_path / "mine") == {"uploads": True, "uploads/photo": b"mine"}
