"""What has been seen to go wrong with uploads, one class for each kind; over plain HTTP and over TLS.

What counts is what the server has received and stored, not what the client says of it.
"""

from __future__ import annotations

import gzip
import io
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseError,
    EdgeImpulseFileError,
    EdgeImpulseInputError,
    EdgeImpulseRedirectError,
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
    EdgeImpulseServiceError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.sources.local import LocalFile
from airflow_provider_ei.sources.object_file import ObjectStoreFile
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.files import UploadFile
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.sync.item import plan as plan_module
from airflow_provider_ei.sync.item.wanted import want_item
from tests.studio.wire import ScriptedServer, SocketServer, read_request
from tests.support.files import FailingFile, MadeUpFile, MeddledFile, MeddlingFile, made_up, no_store, pinned
from tests.support.items import complete, state_of
from tests.support.studio import ADD, CREATE, DELETE, DELETE_FILE, KEY, LIST, ORGANIZATION, UPDATE, changes, contents

from .lab import DATASET, NAME, SETTLE_SECONDS, Content, FaultLab, lies, upload, upload_files
from .relay import Relay

OLD = Content({"raw.csv": b"t,x\n0,1\n", "old.csv": b"old\n", "empty.csv": b""}, {"machine": "pump 7"})
NEW = Content({"raw.csv": b"T,X\n9,8\n", "new.csv": b"newer\n", "empty.csv": b""}, {"machine": "pump 8"})
#: Other bytes under equal names and sizes.
ALIKE = Content({name: data.swapcase() for name, data in OLD.files.items()}, {"machine": "pump 9"})

#: More than a socket holds, so that it is still being sent when it is cut.
BIG = bytes(range(256)) * 8192

LARGE = {"batch_files": 2}

# Every request that changes something, and how many of that kind come before it.
CHANGES = {
    "creation": (CREATE, 0),
    "mark as pending": (UPDATE, 0),
    "files": (ADD, 0),
    "removal of a file": (DELETE_FILE, 0),
    "digest": (UPDATE, 1),
    "removal of a duplicate": (DELETE, 0),
}
each_change = pytest.mark.parametrize("change", CHANGES)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """New items take several requests, and their files are not read before they are sent."""
    monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", 10)


def prepare(lab: FaultLab, change: str) -> None:
    """Leave on the server what makes a run send that request."""
    if change == "creation":
        return
    with lab.api() as api:
        for _ in range(2 if change == "removal of a duplicate" else 1):
            api.add_data_item(
                name=NAME,
                dataset=DATASET,
                metadata=complete(OLD.files, OLD.metadata),
                files=made_up(OLD.files),
            )
    lab.server.clear_requests()


def inject(lab: FaultLab, change: str, kind: str, **more: Any) -> None:
    operation, at = CHANGES[change]
    lab.inject(kind, at, operation, **more)


def assert_right(lab: FaultLab, content: Content) -> None:
    assert lab.problem(content) is None


def assert_at_rest(lab: FaultLab, content: Content) -> None:
    """A quiet run makes it right, and one more has nothing to do."""
    with lab.api() as api:
        upload(api, content)
        assert_right(lab, content)
        lab.server.clear_requests()
        assert upload(api, content)["outcome"] == "unchanged"
    assert changes(lab.server) == []


class TestAnswerIsLost:
    """The server has stored it: a retry would store it twice."""

    @each_change
    def test_nothing_is_done_twice(self, either_lab: FaultLab, change: str) -> None:
        prepare(either_lab, change)
        inject(either_lab, change, "drop_after")
        with either_lab.api() as api:
            upload(api, NEW)
        assert_right(either_lab, NEW)
        assert len(either_lab.received(CREATE)) == (1 if change == "creation" else 0)
        assert SETTLE_SECONDS in either_lab.slept
        assert_at_rest(either_lab, NEW)

    def test_it_is_looked_for_after_the_settle_time(self, either_lab: FaultLab) -> None:
        newest: list[str | None] = []

        def sleep(seconds: float) -> None:
            assert seconds == SETTLE_SECONDS
            newest.append(either_lab.server.requests()[-1].operation)

        either_lab.inject("drop_after", operation=CREATE)
        with either_lab.api(sleep=sleep) as api:
            upload(api, NEW)
        assert newest == [CREATE]
        assert [request.operation for request in either_lab.server.requests()] == [LIST, CREATE, LIST]
        assert_right(either_lab, NEW)

    def test_in_every_try(self, either_lab: FaultLab) -> None:
        """The first one was stored: there is no second."""
        either_lab.inject("drop_after", operation=CREATE, count=99)
        with either_lab.api() as api:
            upload(api, NEW)
        assert len(either_lab.received(CREATE)) == 1
        assert_right(either_lab, NEW)


class TestDroppedBeforeItIsStored:
    @each_change
    def test_it_is_done_again(self, either_lab: FaultLab, change: str) -> None:
        prepare(either_lab, change)
        inject(either_lab, change, "drop_before")
        with either_lab.api() as api:
            upload(api, NEW)
        assert_right(either_lab, NEW)
        assert_at_rest(either_lab, NEW)

    @each_change
    def test_a_failed_run_leaves_no_lie(self, either_lab: FaultLab, change: str) -> None:
        prepare(either_lab, change)
        inject(either_lab, change, "drop_before")
        with either_lab.api(retry_attempts=1) as api, pytest.raises(EdgeImpulseUnavailableError) as caught:
            upload(api, NEW)
        assert caught.value.ambiguous
        assert caught.value.retryable
        assert lies(either_lab.server, OLD, NEW) == []
        assert_at_rest(either_lab, NEW)


class TestCutInMidBody:
    @pytest.mark.parametrize("after_bytes", [0, 1, 1000, 300_000, len(BIG)])
    @pytest.mark.parametrize("operation", [CREATE, ADD])
    def test_the_next_try_has_every_byte(
        self, either_lab: FaultLab, large: None, operation: str, after_bytes: int
    ) -> None:
        """A body that was sent is spent: sent again, it would be empty, and taken for a whole one."""
        content = Content({"1.bin": BIG, "2.bin": BIG[::-1], "3.bin": BIG}, {"machine": "pump 7"})
        either_lab.inject("cut_body", operation=operation, after_bytes=after_bytes)
        with either_lab.api(**LARGE) as api:
            upload(api, content)
        cut, whole = either_lab.received(operation)
        assert (cut.fault, cut.changed, cut.files) == ("cut_body", False, ())
        assert [(file.name, file.size) for file in whole.files] == (
            [("1.bin", len(BIG)), ("2.bin", len(BIG))] if operation == CREATE else [("3.bin", len(BIG))]
        )
        assert whole.bytes_received > len(BIG)
        assert_right(either_lab, content)

    def test_the_transport_does_not_try_again_on_its_own(self, either_lab: FaultLab) -> None:
        """Over TLS, urllib3 counts a cut as an error for which it would repeat even a POST."""
        content = Content({"1.bin": BIG}, {})
        either_lab.inject("cut_body", operation=CREATE, after_bytes=300_000)
        with either_lab.api(retry_attempts=1) as api, pytest.raises(EdgeImpulseUnavailableError):
            upload(api, content)
        assert [request.operation for request in either_lab.server.requests()] == [LIST, CREATE]
        assert either_lab.server.items() == []
        assert_at_rest(either_lab, content)


class TestStoredLate:
    """The server goes on with what the client has given up: it must not arrive after what follows it."""

    @each_change
    def test_within_the_settle_time(self, either_lab: FaultLab, change: str) -> None:
        prepare(either_lab, change)
        inject(either_lab, change, "store_late")
        with either_lab.api() as api:
            upload(api, NEW)
        assert not either_lab.is_late
        assert_right(either_lab, NEW)
        assert len(either_lab.received(CREATE)) == (1 if change == "creation" else 0)
        assert_at_rest(either_lab, NEW)

    @pytest.mark.parametrize("change", ["creation", "mark as pending", "digest"])
    def test_by_the_clock(self, either_lab: FaultLab, change: str) -> None:
        prepare(either_lab, change)
        inject(either_lab, change, "store_late", delay_seconds=0.02)
        with either_lab.api(sleep=time.sleep, settle_seconds=0.5) as api:
            upload(api, NEW)
        assert not either_lab.is_late
        assert_right(either_lab, NEW)

    @each_change
    def test_a_run_that_fails_waits_for_it_too(self, either_lab: FaultLab, change: str) -> None:
        """The next run may follow at once."""
        prepare(either_lab, change)
        inject(either_lab, change, "store_late")
        with either_lab.api(retry_attempts=1) as api, pytest.raises(EdgeImpulseUnavailableError):
            upload(api, NEW)
        assert not either_lab.is_late
        assert lies(either_lab.server, OLD, NEW) == []
        assert_at_rest(either_lab, OLD)

    @pytest.mark.parametrize("change", ["mark as pending", "files", "digest"])
    def test_it_does_not_overwrite_what_the_next_run_sends(self, either_lab: FaultLab, change: str) -> None:
        """Other bytes under equal names and sizes: no listing would show it."""
        prepare(either_lab, change)
        inject(either_lab, change, "store_late")
        with either_lab.api() as api:
            upload(api, ALIKE)
        # The next run looks at what it has sent, and only then does the late one arrive.
        either_lab.inject("status", 1, LIST)
        with either_lab.api(sleep=lambda seconds: either_lab.land()) as api:
            upload(api, OLD)
        assert_right(either_lab, OLD)


class TestThrottled:
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            pytest.param("7", 7.0, id="seconds"),
            pytest.param("1.5", 1.5, id="fraction"),
            pytest.param("soon", 0.0, id="rubbish"),
            pytest.param("", 0.0, id="empty"),
            pytest.param("-5", 0.0, id="negative"),
            pytest.param("nan", 0.0, id="nan"),
            pytest.param("1e400", 0.0, id="infinite"),
            pytest.param("86400", 60.0, id="a day"),
            pytest.param(None, 0.0, id="none"),
        ],
    )
    @pytest.mark.parametrize("operation", [LIST, CREATE, ADD, UPDATE])
    @pytest.mark.parametrize("status", [429, 503])
    def test_retry_after(
        self, either_lab: FaultLab, large: None, operation: str, status: int, header: str | None, seconds: float
    ) -> None:
        headers = {} if header is None else {"Retry-After": header}
        either_lab.inject("status", operation=operation, status=status, headers=headers)
        with either_lab.api(**LARGE) as api:
            upload(api, NEW)
        # 503 does not say that nothing was done.
        settle = SETTLE_SECONDS if status == 503 and operation != LIST else 0.0
        wait = max(seconds, settle)
        assert wait - 0.2 <= sum(either_lab.slept) <= wait + 1
        assert len(either_lab.received(CREATE)) == (2 if operation == CREATE else 1)
        assert_right(either_lab, NEW)

    @pytest.mark.parametrize("operation", [LIST, CREATE])
    def test_retry_after_a_date(self, either_lab: FaultLab, operation: str) -> None:
        for ahead, least, most in ((40, 10, 41), (-40, 0, 1)):
            date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
            either_lab.reset()
            either_lab.inject("status", operation=operation, status=429, headers={"Retry-After": date})
            with either_lab.api() as api:
                upload(api, NEW)
            assert least <= sum(either_lab.slept) <= most
            assert_right(either_lab, NEW)

    def test_for_good(self, either_lab: FaultLab) -> None:
        either_lab.inject("status", operation=CREATE, status=429, count=9999)
        with either_lab.api(throttle_patience=30.0) as api, pytest.raises(EdgeImpulseServiceError) as caught:
            upload(api, NEW)
        assert caught.value.retryable
        assert 20 <= sum(either_lab.slept) <= 30
        assert either_lab.server.items() == []


class TestServerErrors:
    @pytest.mark.parametrize(
        ("status", "body"),
        [
            pytest.param(500, '{"success": false, "error": "oops"}', id="500"),
            pytest.param(500, "", id="500 without a word"),
            pytest.param(502, "<html><h1>Bad gateway</h1></html>", id="502 HTML"),
            pytest.param(504, '{"success": true, "id": 1}', id="504 that says success"),
        ],
    )
    @each_change
    def test_pass(self, either_lab: FaultLab, change: str, status: int, body: str) -> None:
        prepare(either_lab, change)
        inject(either_lab, change, "status", status=status, body=body)
        with either_lab.api() as api:
            upload(api, NEW)
        assert_right(either_lab, NEW)
        assert_at_rest(either_lab, NEW)

    def test_of_the_listing_are_not_taken_for_an_empty_one(self, either_lab: FaultLab) -> None:
        prepare(either_lab, "files")
        either_lab.inject("status", operation=LIST, status=502, count=99)
        with either_lab.api() as api, pytest.raises(EdgeImpulseUnavailableError, match="502"):
            upload(api, NEW)
        assert changes(either_lab.server) == []
        assert_right(either_lab, OLD)


class TestSuccessFalse:
    @each_change
    def test_is_no_success(self, either_lab: FaultLab, change: str) -> None:
        prepare(either_lab, change)
        inject(either_lab, change, "success_false", error="No room left")
        with either_lab.api() as api, pytest.raises(EdgeImpulseRefusedError, match="No room left") as caught:
            upload(api, NEW)
        assert not caught.value.retryable
        operation, at = CHANGES[change]
        assert len(either_lab.received(operation)) == at + 1
        assert lies(either_lab.server, OLD, NEW) == []
        if change == "creation":
            assert either_lab.server.items() == []
        assert_at_rest(either_lab, NEW)

    @pytest.mark.parametrize("body", ['{"id": 1}', '{"success": "true", "id": 1}', '{"success": 1}', "[]", "OK"])
    @each_change
    def test_only_true_is_success(self, either_lab: FaultLab, change: str, body: str) -> None:
        """It says nothing of whether it was done: it was not, and is done then."""
        prepare(either_lab, change)
        inject(either_lab, change, "status", status=200, body=body)
        with either_lab.api() as api:
            upload(api, NEW)
        assert_right(either_lab, NEW)
        assert SETTLE_SECONDS in either_lab.slept
        assert_at_rest(either_lab, NEW)


class TestRefusedBeforeTheBodyIsRead:
    """The connection is closed at once, and the answer may be lost: over TLS it mostly is."""

    CONTENT = Content({"1.bin": BIG, "2.bin": BIG[::-1]}, {})

    def test_key_that_is_revoked(self, either_lab: FaultLab) -> None:
        """Whether the answer is seen or not, the next request tells."""
        either_lab.inject("early_status", operation=CREATE, status=401)
        either_lab.inject("status", 1, LIST, status=401, count=99)
        with either_lab.api() as api, pytest.raises(EdgeImpulseAuthError) as caught:
            upload(api, self.CONTENT)
        assert not caught.value.retryable
        (refused,) = either_lab.received(CREATE)
        assert refused.bytes_received == 0
        assert either_lab.server.items() == []

    @pytest.mark.parametrize("status", [401, 403, 200])
    def test_wrong_key_is_known_before_a_body_is_sent(self, either_lab: FaultLab, status: Any) -> None:
        either_lab.server.settings.wrong_key_status = status
        with either_lab.api(api_key="ei_wrong") as api, pytest.raises(EdgeImpulseAuthError):
            upload(api, self.CONTENT)
        assert [request.operation for request in either_lab.server.requests()] == [LIST]

    @pytest.mark.parametrize("operation", [CREATE, ADD])
    def test_too_large(self, either_lab: FaultLab, large: None, operation: str) -> None:
        either_lab.inject("early_status", operation=operation, status=413, count=99)
        with either_lab.api(retry_attempts=3, batch_files=1) as api, pytest.raises(EdgeImpulseServiceError) as e:
            upload(api, self.CONTENT)
        tries = either_lab.received(operation)
        assert 1 <= len(tries) <= 3  # not tried again once the answer was seen
        assert e.value.retryable == (e.value.status != 413)
        assert all(not request.changed and request.bytes_received == 0 for request in tries)
        assert lies(either_lab.server) == []
        either_lab.forget_faults()
        assert_at_rest(either_lab, self.CONTENT)

    @pytest.mark.parametrize("status", [401, 413, 429, 503])
    def test_once(self, either_lab: FaultLab, status: int) -> None:
        either_lab.inject("early_status", operation=CREATE, status=status)
        with either_lab.api() as api:
            try:
                upload(api, self.CONTENT)
            except EdgeImpulseError as error:
                assert error.retryable == (status not in (401, 413))
                assert either_lab.server.items() == []
            else:
                assert_right(either_lab, self.CONTENT)
        assert_at_rest(either_lab, self.CONTENT)


class TestRedirects:
    """Followed, some drop the body and count as success, others carry the key to another host."""

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("change", [None, *CHANGES], ids=str)
    def test_the_key_reaches_no_other_host(self, either_lab: FaultLab, change: str | None, status: int) -> None:
        prepare(either_lab, change or "files")
        with ScriptedServer() as other:
            operation, at = CHANGES[change] if change else (LIST, 0)
            either_lab.inject("redirect", at, operation, status=status, location=f"{other.url}/elsewhere")
            with either_lab.api() as api, pytest.raises(EdgeImpulseRedirectError) as caught:
                upload(api, NEW)
            assert other.connections == 0
        assert not caught.value.retryable
        assert len(either_lab.received(operation)) == at + 1
        assert lies(either_lab.server, OLD, NEW) == []
        assert_at_rest(either_lab, NEW)

    def test_not_even_on_the_same_host(self, either_lab: FaultLab) -> None:
        location = f"{either_lab.server.url}/api/organizations/{ORGANIZATION}/data"
        either_lab.inject("redirect", operation=CREATE, status=303, location=location)
        with either_lab.api() as api, pytest.raises(EdgeImpulseRedirectError):
            upload(api, NEW)
        assert [request.operation for request in either_lab.server.requests()] == [LIST, CREATE]
        assert either_lab.server.items() == []


class TestIdleConnectionIsReset:
    @pytest.mark.parametrize("how", ["reset_idle", "reset_when_used"])
    def test_before_a_creation(self, either_lab: FaultLab, how: str) -> None:
        """Between the listing and the upload, while the files are read."""
        with Relay(either_lab.server.url) as relay, either_lab.api(base_url=relay.url) as api:
            file = MeddlingFile("raw.csv", b"t,x\n0,1\n", meddle=getattr(relay, how))
            upload_files(api, [file])
            assert relay.connections == 2
        assert len(either_lab.received(CREATE)) == 1
        assert either_lab.slept == ([] if how == "reset_idle" else [SETTLE_SECONDS])
        assert_right(either_lab, Content({"raw.csv": b"t,x\n0,1\n"}, {}))

    @pytest.mark.parametrize("how", ["reset_idle", "reset_when_used"])
    def test_before_a_listing(self, either_lab: FaultLab, how: str) -> None:
        with Relay(either_lab.server.url) as relay, either_lab.api(base_url=relay.url) as api:
            upload(api, OLD)
            getattr(relay, how)()
            upload(api, NEW)
            assert relay.connections == 2
        assert_right(either_lab, NEW)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def become_a_directory(path: Path) -> None:
    """Unreadable even for root, from whom no mode keeps a file."""
    path.unlink()
    path.mkdir()


class TestFileThatChanges:
    """Nothing of it is stored, and by the next run it may be at rest."""

    OTHER = {"other.csv": b"other\n", "zz.csv": b"last\n"}

    def fails(self, lab: FaultLab, is_there: bool, file: UploadFile) -> EdgeImpulseFileError:
        """An upload with that file in the middle; says what it failed with."""
        if is_there:
            with lab.api() as api:
                upload(api, Content({file.name: b"before\n"}, {"run": "0"}))
            lab.server.clear_requests()
        first, last = made_up(self.OTHER)
        with lab.api(**LARGE) as api, pytest.raises(EdgeImpulseFileError) as caught:
            upload_files(api, [first, file, last])
        assert not isinstance(caught.value, OSError)
        assert caught.value.retryable
        assert file.source in str(caught.value)
        with lab.api() as api:  # a request that was cut may still be on its way; this one comes after it
            list_organizations(api.http)
        assert [sent for request in lab.server.requests() for sent in request.files if sent.name == file.name] == []
        stored = [contents(lab.server, item.id) for item in lab.server.items()]
        assert stored == ([{file.name: b"before\n"}] if is_there else [])
        states = [state_of(item) for item in lab.server.items()]
        assert all(state is not None and not state.complete for state in states)
        return caught.value

    def assert_sent_later(self, lab: FaultLab, name: str, data: bytes) -> None:
        assert_at_rest(lab, Content(self.OTHER | {name: data}, {}))

    @pytest.mark.parametrize("is_there", [False, True], ids=["new item", "update"])
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            pytest.param(grow, "changed", id="grows"),
            pytest.param(lambda path: path.write_bytes(BIG[:5000]), "shrank", id="shrinks"),
            pytest.param(empty, "shrank", id="is emptied"),
            pytest.param(lambda path: path.write_bytes(BIG[::-1]), "changed", id="is rewritten"),
        ],
    )
    def test_while_it_is_sent(
        self,
        either_lab: FaultLab,
        large: None,
        tmp_path: Path,
        is_there: bool,
        change: Callable[[Path], object],
        words: str,
    ) -> None:
        path = tmp_path / "raw.bin"
        error = self.fails(either_lab, is_there, MeddledFile(pinned(path, BIG), lambda: change(path)))
        assert words in str(error) or "grew" in str(error)
        self.assert_sent_later(either_lab, "raw.bin", path.read_bytes())

    @pytest.mark.parametrize("is_there", [False, True], ids=["new item", "update"])
    @pytest.mark.parametrize("change", [grow, empty, Path.unlink, become_a_directory], ids=lambda f: f.__name__)
    def test_before_it_is_sent(
        self, either_lab: FaultLab, large: None, tmp_path: Path, is_there: bool, change: Callable[[Path], object]
    ) -> None:
        path = tmp_path / "raw.bin"
        file = pinned(path, BIG)
        change(path)
        self.fails(either_lab, is_there, file)
        if path.is_dir():
            path.rmdir()
        path.write_bytes(BIG)
        self.assert_sent_later(either_lab, "raw.bin", BIG)

    @pytest.mark.parametrize("change", [Path.unlink, become_a_directory], ids=lambda change: change.__name__)
    def test_an_open_file_whose_name_goes_is_sent_whole(
        self, either_lab: FaultLab, large: None, tmp_path: Path, change: Callable[[Path], object]
    ) -> None:
        path = tmp_path / "raw.bin"
        file = MeddledFile(pinned(path, BIG), lambda: change(path))
        with either_lab.api() as api:
            upload_files(api, [file])
        assert_right(either_lab, Content({"raw.bin": BIG}, {}))

    @pytest.mark.parametrize("is_there", [False, True], ids=["new item", "update"])
    @pytest.mark.parametrize("good", [None, 0, 300_000], ids=["at open", "at first", "in the middle"])
    @pytest.mark.parametrize(
        "error",
        [OSError(5, "Input/output error"), PermissionError(13, "Permission denied"), ConnectionResetError(104, "NFS")],
        ids=lambda error: type(error).__name__,
    )
    def test_that_cannot_be_read(
        self, either_lab: FaultLab, large: None, is_there: bool, good: int | None, error: Exception
    ) -> None:
        """It is not mistaken for a network error, which is also an OSError."""
        file = FailingFile(error, good=good)
        raised = self.fails(either_lab, is_there, file)
        assert str(error) in str(raised)
        assert either_lab.slept == []
        self.assert_sent_later(either_lab, file.name, BIG)

    def test_between_two_tries(self, either_lab: FaultLab, large: None, tmp_path: Path) -> None:
        path = tmp_path / "raw.bin"
        file = pinned(path, BIG)
        either_lab.inject("drop_before", operation=CREATE)
        with either_lab.api(sleep=lambda seconds: grow(path)) as api, pytest.raises(EdgeImpulseFileError):
            upload_files(api, [file])
        assert either_lab.server.items() == []
        assert_at_rest(either_lab, Content({"raw.bin": path.read_bytes()}, {}))


class TestLengths:
    """From stat or from the store, never from a handle."""

    def test_compressed_file_is_sent_as_it_is(self, either_lab: FaultLab, tmp_path: Path) -> None:
        path = tmp_path / "raw.csv.gz"
        path.write_bytes(gzip.compress(BIG))
        with either_lab.api() as api:
            upload_files(api, want([str(path)]))
        assert_right(either_lab, Content({"raw.csv.gz": path.read_bytes()}, {}))

    def test_handle_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "raw.csv.gz"
        path.write_bytes(gzip.compress(BIG))
        with gzip.open(path) as handle, pytest.raises(EdgeImpulseInputError):
            want([handle])

    def test_file_that_says_it_is_empty(self, either_lab: FaultLab) -> None:
        """As all files of /proc do."""
        files = want(["/proc/self/status"])
        assert files[0].size == 0
        with either_lab.api() as api, pytest.raises(EdgeImpulseFileError, match="/proc/self/status"):
            upload_files(api, files)
        assert changes(either_lab.server) == []

    def test_one_file_under_two_names(self, either_lab: FaultLab, tmp_path: Path) -> None:
        path = tmp_path / "raw.bin"
        path.write_bytes(BIG)
        files = want([{"path": str(path), "name": name} for name in ("1.bin", "2.bin")])
        with either_lab.api() as api:
            upload_files(api, files)
        assert_right(either_lab, Content({"1.bin": BIG, "2.bin": BIG}, {}))


class Store(AbstractFileSystem):
    """An object store with one object, of which it says one thing and reads another."""

    protocol = "stub"
    cachable = False

    def __init__(self, data: bytes, *, stated: int | None = None, error: Exception | None = None) -> None:
        super().__init__()
        self.data = data
        self.stated = len(data) if stated is None else stated
        self.error = error
        self.etag = "1"

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        return {"name": path, "size": self.stated, "type": "file", "ETag": self.etag}

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> BinaryIO:
        return _Object(self)


class _Object(io.BytesIO):
    def __init__(self, store: Store) -> None:
        super().__init__(store.data)
        self._store = store

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        if not block and self._store.error is not None:
            raise self._store.error
        return block


def want(files: Any, store: AbstractFileSystem | None = None) -> list[UploadFile]:
    """The files that a user's argument stands for."""
    wanted = want_item(
        name=NAME,
        dataset=DATASET,
        files=files,
        metadata=None,
        bucket_name=None,
        bucket_id=None,
        bucket_path=None,
        open_store=no_store if store is None else lambda uri: (store, uri.partition("://")[2]),
    )
    return list(wanted.files)


class TestObjectStore:
    @pytest.mark.parametrize(
        "store",
        [
            pytest.param(Store(BIG[:300_000], stated=len(BIG), error=OSError(5, "the store's disk")), id="fails"),
            pytest.param(Store(BIG[:300_000], stated=len(BIG), error=RuntimeError("expired token")), id="token"),
            pytest.param(Store(BIG[:300_000], stated=len(BIG)), id="ends early"),
            pytest.param(Store(BIG, stated=300_000), id="goes on"),
        ],
    )
    @pytest.mark.parametrize("size", ["small", "large"])
    def test_that_fails_midway(
        self, either_lab: FaultLab, store: Store, size: str, request: pytest.FixtureRequest
    ) -> None:
        """Small ones are read beforehand, of large ones the request is cut."""
        if size == "large":
            request.getfixturevalue("large")
        files = want("stub://bucket/raw.bin", store)
        with either_lab.api() as api, pytest.raises(EdgeImpulseFileError, match=r"stub://bucket/raw\.bin"):
            upload_files(api, files)
        with either_lab.api() as api:
            list_organizations(api.http)
        assert either_lab.server.items() == []
        assert either_lab.slept == []
        whole = want("stub://bucket/raw.bin", Store(BIG))
        with either_lab.api() as api:
            upload_files(api, whole)
        assert_right(either_lab, Content({"raw.bin": BIG}, {}))

    def test_object_that_gets_another_version(self, either_lab: FaultLab, large: None) -> None:
        store = Store(BIG)
        (file,) = want("stub://bucket/raw.bin", store)
        with either_lab.api() as api, pytest.raises(EdgeImpulseFileError, match="changed"):
            upload_files(api, [MeddledFile(file, lambda: setattr(store, "etag", "2"))])
        assert either_lab.server.items() == []

    def test_object_that_is_replaced(self, either_lab: FaultLab, large: None, tmp_path: Path) -> None:
        fs = MemoryFileSystem()
        key = f"/{tmp_path.name}/raw.bin"
        fs.pipe(key, BIG)
        (file,) = want(f"memory://{key}", fs)
        assert isinstance(file, ObjectStoreFile)
        with either_lab.api() as api:
            with pytest.raises(EdgeImpulseFileError, match="changed"):
                upload_files(api, [MeddledFile(file, lambda: fs.pipe(key, BIG[::-1]))])
            assert either_lab.server.items() == []
            upload_files(api, want(f"memory://{key}", fs))
        assert_right(either_lab, Content({"raw.bin": BIG[::-1]}, {}))


class TestSlowServer:
    def test_the_connect_timeout_does_not_govern_sending(self) -> None:
        bodies = []

        def pause_and_read(connection: Any) -> None:
            with connection.makefile("rb") as stream:
                request = read_request(stream)
                if request is not None and request.method == "GET":
                    connection.sendall(answer(b'{"success": true, "data": [], "totalDataItemCount": 0}'))
                    time.sleep(0.6)  # what the client must bear with
                    request = read_request(stream)
                    bodies.append(len(request.body) if request else 0)

        def answer(body: bytes) -> bytes:
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

        content = Content({f"{number}.bin": BIG for number in range(3)}, {})
        with (
            SocketServer(pause_and_read, receive_buffer=65536) as server,
            impatient_client(server.url) as client,
            pytest.raises(EdgeImpulseUnavailableError),  # no answer is given to the upload
        ):
            upload(OrganizationDataApi(client, ORGANIZATION), content)
        assert bodies[0] > 3 * len(BIG)


def impatient_client(url: str) -> HttpClient:
    settings = StudioSettings(api_key=KEY, base_url=url, connect_timeout=0.2, retry_attempts=1, settle_seconds=0.0)
    return HttpClient(settings)


class TestListingThatCannotBeReliedOn:
    """Taken for "nothing there", everything would be uploaded again."""

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param('{"success": true, "totalDataItemCount": 0}', id="no data"),
            pytest.param('{"success": true, "data": null, "totalDataItemCount": 0}', id="null"),
            pytest.param('{"success": true, "data": [], "totalDataItemCount": 1}', id="fewer than the total"),
            pytest.param("<html>Maintenance</html>", id="HTML"),
        ],
    )
    def test_ends_the_run(self, either_lab: FaultLab, body: str) -> None:
        prepare(either_lab, "files")
        either_lab.inject("status", operation=LIST, status=200, body=body, count=99)
        with either_lab.api() as api, pytest.raises(EdgeImpulseResponseError):
            upload(api, NEW)
        assert changes(either_lab.server) == []
        assert_right(either_lab, OLD)

    def test_a_filter_that_is_not_parsed_is_not_taken_for_nothing_there_either(self, either_lab: FaultLab) -> None:
        prepare(either_lab, "files")
        body = '{"success": true, "data": [], "totalDataItemCount": 0, "filterParseError": "x"}'
        either_lab.inject("status", operation=LIST, status=200, body=body, count=99)
        with either_lab.api() as api:
            assert upload(api, NEW)["outcome"] == "updated"
        assert len(either_lab.server.items()) == 1
        assert_right(either_lab, NEW)


class TestNetrc:
    def test_is_left_out(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / ".netrc").write_text("default login someone password hunter2\n")
        (tmp_path / ".netrc").chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        with (
            ScriptedServer() as server,
            impatient_client(server.url) as client,
            pytest.raises(EdgeImpulseResponseError),
        ):
            upload(OrganizationDataApi(client, ORGANIZATION), NEW)
        assert server.received
        assert all("authorization" not in request.headers for request in server.received)


class TestNamesThatBreakTheWire:
    @pytest.mark.parametrize("bad", ["a\r\nb", "a\nb", "a\0b"], ids=["CR LF", "LF", "NUL"])
    @pytest.mark.parametrize("field", ["name", "content_type"])
    def test_are_refused(self, tmp_path: Path, field: str, bad: str) -> None:
        path = tmp_path / "raw.csv"
        path.write_bytes(b"1")
        with pytest.raises(EdgeImpulseInputError, match=r"raw\.csv"):
            want([{"path": str(path), field: f"text/{bad}" if field == "content_type" else bad}])

    @pytest.mark.parametrize(
        "names",
        [('a"b', "a%22b"), ("é", "e\u0301"), ("A.csv", "a.csv"), ("a", "a")],
        ids=["on the wire", "NFC", "case", "equal"],
    )
    def test_two_that_collide_are_refused(self, tmp_path: Path, names: tuple[str, str]) -> None:
        path = tmp_path / "raw.csv"
        path.write_bytes(b"1")
        with pytest.raises(EdgeImpulseInputError):
            want([{"path": str(path), "name": name} for name in names])


def test_files_are_opened_anew_for_each_try(either_lab: FaultLab) -> None:
    """A handle that was read to its end sends 0 bytes, and the server takes them for the file."""
    either_lab.inject("drop_before", operation=CREATE, count=2)
    file = MadeUpFile("raw.bin", BIG)
    with either_lab.api() as api:
        upload_files(api, [file])
    assert file.opened == 4  # to be hashed, and for each of three tries
    assert [sent.size for request in either_lab.received(CREATE) for sent in request.files] == [len(BIG)] * 3
    assert_right(either_lab, Content({"raw.bin": BIG}, {}))


def test_local_files_are_pinned_by_size_time_and_inode(either_lab: FaultLab, large: None, tmp_path: Path) -> None:
    """Another file of equal size under the name: its bytes are not those that were found."""
    path = tmp_path / "raw.bin"
    file = pinned(path, BIG)
    (tmp_path / "other").write_bytes(BIG[::-1])
    (tmp_path / "other").replace(path)
    with either_lab.api() as api:
        with pytest.raises(EdgeImpulseFileError):
            upload_files(api, [file])
        assert either_lab.server.items() == []
        upload_files(api, [LocalFile.pin(str(path), "raw.bin", "text/csv")])
    assert_right(either_lab, Content({"raw.bin": BIG[::-1]}, {}))
