"""Files that are read in the background: their order, the bound on memory, errors, and the end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseFileError
from airflow_provider_ei.studio.byte_budget import MAX_BACKGROUND_BYTES, background_bytes
from airflow_provider_ei.studio.kept_files import KeptFiles
from airflow_provider_ei.studio.read_ahead import MAX_AHEAD_FILES, MAX_FILE_BYTES, ReadAhead
from tests.support.files import MadeUpFile


@dataclass
class BackgroundFile(MadeUpFile):
    """A file whose bytes come when the test says so."""

    future: Future[bytes] = field(default_factory=Future)
    started: bool = False

    def start_reading(self) -> Future[bytes]:
        self.started = True
        return self.future


def background(count: int, size: int = 2) -> list[BackgroundFile]:
    files = [BackgroundFile(f"{number:03}", b"x" * 2, stated_size=size) for number in range(count)]
    for file in files:
        if size == 2:
            file.future.set_result(file.data)
    return files


def started(files: list[BackgroundFile]) -> int:
    assert all(file.started for file in files[: sum(file.started for file in files)])  # in their order
    return sum(file.started for file in files)


@pytest.fixture(autouse=True)
def nothing_stays_taken() -> Iterator[None]:
    yield
    assert background_bytes.taken == 0


def test_files_are_started_ahead_and_given_in_order() -> None:
    files = background(3 * MAX_AHEAD_FILES)
    with ReadAhead(files) as ahead:
        assert started(files) == 0
        for number, file in enumerate(files):
            assert ahead.read(file) == file.data
            assert started(files) == min(number + MAX_AHEAD_FILES, len(files))


def test_bytes_that_are_read_ahead_are_bounded_for_all_uploads_together() -> None:
    size = MAX_FILE_BYTES
    one, other = background(20, size), background(20, size)
    for file in (*one, *other):
        file.data = b"x" * size
    fits = MAX_BACKGROUND_BYTES // size
    with ReadAhead(one) as ahead, ReadAhead(other) as next_to_it:
        one[0].future.set_result(one[0].data)
        ahead.read(one[0])
        assert started(one) == fits
        other[0].future.set_result(other[0].data)
        next_to_it.read(other[0])  # the file that is due does not wait for the other upload
        assert started(other) <= 2
    assert all(file.future.cancelled() for file in one[1:fits])


@pytest.mark.parametrize("size", [0, MAX_FILE_BYTES, MAX_FILE_BYTES + 1])
def test_large_files_and_files_without_a_background_are_not_covered(size: int) -> None:
    assert ReadAhead.covers(BackgroundFile("x", stated_size=size)) == (size <= MAX_FILE_BYTES)
    assert not ReadAhead.covers(MadeUpFile("x", stated_size=size))


def test_an_error_is_raised_when_its_file_is_due() -> None:
    files = background(3)
    files[1].future = Future()
    files[1].future.set_exception(OSError("reset"))
    with ReadAhead(files) as ahead:
        assert ahead.read(files[0]) == b"xx"
        with pytest.raises(EdgeImpulseFileError, match="made-up/001 could not be read: reset"):
            ahead.read(files[1])


def test_a_file_that_cannot_be_started_is_an_error_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    files = background(2)
    monkeypatch.setattr(files[1], "start_reading", lambda: 1 / 0)
    with ReadAhead(files) as ahead:
        assert ahead.read(files[0]) == b"xx"
        with pytest.raises(EdgeImpulseFileError, match="made-up/001 could not be read: division by zero"):
            ahead.read(files[1])


@pytest.mark.parametrize(("size", "words"), [(3, "shrank"), (1, "grew")])
def test_a_file_of_another_size_than_pinned_is_an_error(size: int, words: str) -> None:
    (file,) = background(1, size)
    file.future.set_result(b"xx")
    with ReadAhead([file]) as ahead, pytest.raises(EdgeImpulseFileError, match=f"made-up/000 {words}"):
        ahead.read(file)


def test_what_is_still_being_read_at_the_end_is_cancelled() -> None:
    files = background(5, size=1)
    files[0].future.set_result(b"x")
    with ReadAhead(files) as ahead:
        ahead.read(files[0])
    assert [file.future.cancelled() for file in files] == [False, True, True, True, True]


def test_files_out_of_order_are_a_mistake_of_the_caller() -> None:
    files = background(2)
    with ReadAhead(files) as ahead, pytest.raises(ValueError, match="made-up/001 is not the next file"):
        ahead.read(files[1])


def test_kept_files_are_in_the_place_of_their_files_until_they_are_released() -> None:
    files = [MadeUpFile(name, name.encode()) for name in ("a", "b")]
    kept = KeptFiles()
    kept.add(files[0], b"what was read")
    first, second = kept.instead_of(files)
    assert (first.name, first.read_whole(), first.open().read()) == ("a", b"what was read", b"what was read")
    assert second is files[1]
    kept.release()
    assert kept.instead_of(files) == files


def test_a_file_is_not_kept_when_there_is_no_memory_for_it() -> None:
    one, other = KeptFiles(), KeptFiles()
    one.add(MadeUpFile("a"), b"x" * MAX_BACKGROUND_BYTES)
    other.add(file := MadeUpFile("b"), b"x")
    assert other.instead_of([file]) == [file]
    one.release()
    other.release()
