"""What can go wrong with a sync and not with a single upload; over plain HTTP and over TLS.

Every fault at every request, and kills, are in ``test_sync_exhaustive`` and ``test_sync_kill``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

import pytest

from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseFileError,
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
    EdgeImpulseSyncError,
)
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.sync.item import plan as plan_module
from airflow_provider_ei.sync.item.upload import ItemUpload
from airflow_provider_ei.sync.item.wanted import WantedItem
from tests.support.files import MadeUpFile
from tests.support.items import changed_state
from tests.support.studio import ADD, CREATE, DELETE, LIST, UPDATE, changes

from . import trees
from .lab import DATASET, FaultLab
from .trees import FOREIGN, SMALL_ITEM_BYTES, TREES, VersionedFile, sync

A, B = TREES["A"], TREES["B"]

each_crew = pytest.mark.parametrize("workers", [1, 4], ids=["one worker", "four workers"])


@pytest.fixture
def there(either_lab: FaultLab, monkeypatch: pytest.MonkeyPatch) -> FaultLab:
    """An emulator that has A, and what is foreign."""
    monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", SMALL_ITEM_BYTES)
    either_lab.put(FOREIGN)
    with either_lab.api() as api:
        sync(api, A)
    either_lab.server.clear_requests()
    return either_lab


def assert_at_rest(lab: FaultLab, folders: trees.Folders) -> None:
    """A quiet run makes it right, and one more has nothing to do."""
    with lab.api() as api:
        sync(api, folders)
        assert trees.problem(lab, folders) is None
        lab.server.clear_requests()
        sync(api, folders)
    assert changes(lab.server) == []


def fails(lab: FaultLab, workers: int = 1, **settings: int) -> EdgeImpulseSyncError:
    """A sync of B does not end well, and breaks nothing."""
    before = lab.state()
    with lab.api(connections=workers, **settings) as api, pytest.raises(EdgeImpulseSyncError) as caught:
        sync(api, B, workers)
    assert trees.damage(lab, B, before, caught.value) is None
    return caught.value


class TestAnswersAreLost:
    @each_crew
    def test_of_all_creations(self, either_lab: FaultLab, workers: int) -> None:
        """Each thread knows for itself what it has sent."""
        either_lab.put(FOREIGN)
        either_lab.inject("drop_after", operation=CREATE, count=99)
        with either_lab.api(connections=workers) as api:
            summary = sync(api, A, workers)
        assert (summary["created"], summary["ambiguous_reconciled"]) == (5, 5)
        assert len(either_lab.received(CREATE)) == 5
        assert trees.problem(either_lab, A) is None
        assert_at_rest(either_lab, A)

    @each_crew
    @pytest.mark.parametrize("kind", ["drop_after", "drop_before", "store_late"])
    @pytest.mark.parametrize("operation", [CREATE, ADD, UPDATE, DELETE])
    def test_of_all_first_tries(self, there: FaultLab, workers: int, kind: str, operation: str) -> None:
        there.inject(kind, operation=operation, count=2)
        with there.api(connections=workers) as api:
            summary = sync(api, B, workers)
        assert (summary["deleted"], summary["failed"]) == (1, 0)
        assert not there.is_late
        assert trees.problem(there, B) is None
        assert_at_rest(there, B)


class TestAnItemFails:
    @each_crew
    @pytest.mark.parametrize("operation", [CREATE, ADD, UPDATE])
    def test_nothing_is_deleted(self, there: FaultLab, workers: int, operation: str) -> None:
        there.inject("success_false", operation=operation)
        error = fails(there, workers)
        assert (error.summary["failed"], error.summary["deleted"]) == (1, 0)
        assert there.received(DELETE) == []
        assert_at_rest(there, B)

    def test_because_a_file_changes(self, there: FaultLab) -> None:
        before = there.state()
        with there.api() as api, pytest.raises(EdgeImpulseSyncError, match="gone bad"):
            sync_with(api, MeddlingVersion("1.csv", b"FIRST, B\n", meddle=_raise))
        assert there.received(DELETE) == []
        assert trees.damage(there, B, before, None) is None
        assert_at_rest(there, B)

    def test_deletion_is_refused(self, there: FaultLab) -> None:
        there.inject("success_false", operation=DELETE, count=99)
        error = fails(there)
        assert [failure["name"] for failure in error.summary["failures"]] == ["run gone"]
        there.forget_faults()
        assert_at_rest(there, B)


class TestItEndsAtOnce:
    @each_crew
    @pytest.mark.parametrize("operation", [CREATE, ADD, UPDATE])
    def test_when_the_key_is_taken_back(self, there: FaultLab, workers: int, operation: str) -> None:
        there.inject("status", operation=operation, status=401, count=99)
        with there.api(connections=workers) as api, pytest.raises(EdgeImpulseAuthError):
            sync(api, B, workers)
        assert there.received(DELETE) == []
        there.forget_faults()
        assert_at_rest(there, B)

    @pytest.mark.parametrize("at", [0, 2], ids=["first", "last"])
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param('{"success": true, "data": [], "totalDataItemCount": 9}', id="fewer than the total"),
            pytest.param('{"success": true, "data": null, "totalDataItemCount": 0}', id="null"),
            pytest.param("<html>Maintenance</html>", id="HTML"),
        ],
    )
    def test_when_a_listing_cannot_be_relied_on(self, there: FaultLab, at: int, body: str) -> None:
        there.inject("status", at, LIST, status=200, body=body, count=99)
        with there.api() as api, pytest.raises(EdgeImpulseResponseError):
            sync(api, B)
        assert there.received(DELETE) == []
        assert at or changes(there.server) == []
        there.forget_faults()
        assert_at_rest(there, B)

    def test_when_the_last_listing_is_refused(self, there: FaultLab) -> None:
        there.inject("success_false", 3, LIST)  # after that for the name of the new item
        with there.api() as api, pytest.raises(EdgeImpulseRefusedError):
            sync(api, B)
        assert there.received(DELETE) == []
        assert_at_rest(there, B)


@dataclass
class MeddlingVersion(VersionedFile):
    """Does something when it is opened to be sent."""

    meddle: Callable[[], None] = field(default=lambda: None)
    version: str | None = "b"

    def open(self) -> BinaryIO:
        handle = super().open()
        if self.opened == 2:  # it was read before
            self.meddle()
        return handle


def _raise() -> None:
    raise EdgeImpulseFileError("gone bad")


def sync_with(api: OrganizationDataApi, file: VersionedFile) -> None:
    """A sync of B, with this file in the place of its own."""
    source = trees.source(B)
    source[0].files = [file, *source[0].files[1:]]
    trees.sync_source(api, source)


class TestOthersAreAtIt:
    """Between the first listing of a sync and its end."""

    def meddle(self, lab: FaultLab, meddle: Callable[[], None]) -> None:
        with lab.api() as api:
            sync_with(api, MeddlingVersion("1.csv", b"FIRST, B\n", meddle=meddle))

    def test_what_is_to_be_deleted_is_gone(self, there: FaultLab) -> None:
        self.meddle(there, lambda: there.server.remove_item(there.find("run gone").id))
        assert there.received(DELETE) == []
        assert trees.problem(there, B) is None

    def test_what_is_to_be_deleted_belongs_to_another_sync(self, there: FaultLab) -> None:
        item = there.find("run gone")
        self.meddle(there, lambda: there.edit(item, metadata=changed_state(item.metadata, sync="weekly")))
        assert there.received(DELETE) == []
        assert there.find("run gone").id == item.id

    @pytest.mark.parametrize("name", ["run changed", "run metadata", "run touched"])
    def test_what_is_to_be_changed_is_gone(self, there: FaultLab, name: str) -> None:
        self.meddle(there, lambda: there.server.remove_item(there.find(name).id))
        assert trees.problem(there, B) is None
        assert_at_rest(there, B)

    @pytest.mark.parametrize("metadata_update", ["replace", "merge"])
    def test_leaves_what_a_single_upload_has_put_there(self, there: FaultLab, metadata_update: str) -> None:
        """Other bytes under the same names and sizes: the upload has taken the item out of the sync."""
        there.server.settings.change({"metadata_update": metadata_update})
        files = [MadeUpFile(name, data) for name, data in B["run changed"].content.files.items()]
        with there.api() as api:
            wanted = WantedItem("run changed", DATASET, files, A["run changed"].content.metadata)
            ItemUpload(api, wanted).run()
            uploaded = there.find("run changed")
            there.server.clear_requests()
            with pytest.raises(EdgeImpulseSyncError, match="a single upload has put other content"):
                sync(api, A)
        assert changes(there.server) == []
        assert there.find("run changed") == uploaded


class TestTheServiceIsDown:
    @each_crew
    def test_for_all_changes(self, there: FaultLab, workers: int) -> None:
        for operation in (CREATE, ADD, UPDATE, DELETE):
            there.inject("status", operation=operation, status=503, count=999)
        error = fails(there, workers)
        assert error.retryable
        assert there.received(DELETE) == []
        there.forget_faults()
        assert_at_rest(there, B)
