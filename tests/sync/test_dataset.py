"""A folder and a dataset: what a sync sends, what it reads, and what it leaves alone."""

from __future__ import annotations

import json
import os
import time
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_ei.emulator import Fault
from airflow_provider_ei.studio.api import pages as pages_module
from airflow_provider_ei.sync.dataset import find_changes as dataset_module
from airflow_provider_ei.sync.dataset import send as send_module
from airflow_provider_ei.sync.dataset.options import ItemContext
from airflow_provider_ei.sync.item import plan as plan_module
from airflow_provider_ei.sync.metadata import STATE_KEY
from tests.support.items import users_metadata
from tests.support.studio import ADD, CREATE, LIST, UPDATE, contents

from .lab import METADATA, SyncLab

NAMES = [f"s{number:02}" for number in range(6)]
FILES = {f"{name}/{file}": f"{name} {file}" for name in NAMES for file in ("motion.csv", "photos/1.jpg")}
BYTES = sum(map(len, FILES.values()))


@pytest.fixture
def synced(lab: SyncLab) -> SyncLab:
    """A lab after its first sync."""
    lab.write(FILES)
    lab.sync()
    lab.assert_in_step()
    return lab


class TestFirst:
    def test_a_first_sync_sends_every_item_and_checks_it_in_a_listing(self, lab: SyncLab) -> None:
        lab.write(FILES)
        summary = lab.sync()
        lab.assert_in_step()
        assert summary.pop("seconds") > 0  # type: ignore[misc]
        assert summary == {
            **{"dataset": "d", "organization_id": 7, "sync_id": "nightly", "comparison": "digest", "dry_run": False},
            **dict.fromkeys(
                ("listed", "updated", "unchanged", "repaired", "deduplicated", "deleted", "kept", "failed"), 0
            ),
            **{"created": 6, "files_sent": 12, "bytes_sent": BYTES, "bytes_hashed": BYTES},
            **{"requests": 8, "retries": 0, "ambiguous_reconciled": 0, "changed": NAMES, "failures": []},
            "kept_items": [],
            "url": f"{lab.server.page_url}organization/7/data",
        }
        assert [request.operation for request in lab.server.requests()] == [LIST, *[CREATE] * 6, LIST]
        lab.assert_at_rest()

    @pytest.mark.parametrize("workers", [1, 3, 64])
    def test_items_are_begun_in_the_order_of_their_names(self, lab: SyncLab, workers: int) -> None:
        lab.write(dict(reversed(FILES.items())))
        lab.sync(workers=workers)
        begun = [request.fields["name"] for request in lab.server.requests() if request.operation == CREATE]
        assert sorted(begun) == NAMES
        if workers == 1:
            assert begun == NAMES
            twice = [[f"{name}/motion.csv", f"{name}/photos/1.jpg"] * 2 for name in NAMES]
            assert lab.opened == [path for item in twice for path in item]  # to know the digest, and to send it
        lab.assert_in_step()

    def test_large_items_are_read_once(self, lab: SyncLab, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", 10)
        lab.write(FILES)
        summary = lab.sync(api=lab.other_api(batch_files=1))
        assert sorted(lab.opened) == sorted(FILES)
        assert (summary["created"], summary["bytes_sent"], summary["bytes_hashed"]) == (6, BYTES, 0)
        assert [lab.operations().count(each) for each in (CREATE, ADD, UPDATE)] == [6, 6, 6]
        lab.assert_in_step()
        lab.assert_at_rest()

    def test_an_empty_source_changes_nothing(self, lab: SyncLab) -> None:
        summary = lab.sync()
        assert (summary["created"], summary["unchanged"], summary["failed"]) == (0, 0, 0)
        assert [request.operation for request in lab.server.requests()] == [LIST]

    def test_empty_files_and_deep_folders_are_synced(self, lab: SyncLab) -> None:
        lab.write({"a b/empty.bin": b"", "it's/x.csv": "1", "日本/é.csv": "2", 'q"/"x".csv': "3", "50%/%.csv": "4"})
        assert lab.sync()["created"] == 5
        lab.assert_in_step()
        lab.assert_at_rest()


class TestNothingHasChanged:
    def test_an_unchanged_dataset_costs_one_listing_and_opens_no_file(self, synced: SyncLab) -> None:
        summary = synced.sync()
        assert (summary["unchanged"], summary["listed"], summary["requests"], summary["changed"]) == (6, 6, 1, [])
        assert (summary["files_sent"], summary["bytes_sent"], summary["bytes_hashed"]) == (0, 0, 0)
        synced.assert_at_rest()

    @pytest.mark.parametrize(("page", "requests"), [(2, 5), (3, 3), (5, 2), (6, 1)])
    def test_an_unchanged_dataset_costs_one_request_for_each_page(
        self, synced: SyncLab, monkeypatch: pytest.MonkeyPatch, page: int, requests: int
    ) -> None:
        for module in (pages_module, send_module):
            monkeypatch.setattr(module, "PAGE_ITEMS", page)
        assert synced.sync()["unchanged"] == 6
        assert [request.operation for request in synced.server.requests()] == [LIST] * requests
        assert synced.opened == []

    def test_a_listing_that_moves_is_compared_anew(self, lab: SyncLab, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing of the pages before counts: not their number, nor an item that is gone since."""
        for module in (pages_module, send_module):
            monkeypatch.setattr(module, "PAGE_ITEMS", 5)
        names = [f"s{number:02}" for number in range(20)]
        lab.write({f"{name}/x.csv": name for name in names})
        lab.sync()
        gone = [lab.items()[name].id for name in names[:6]]
        pages: list[str] = []

        def delete(request: Any) -> None:
            pages.append(request.query)
            if len(pages) == 4:
                for data_id in gone:
                    lab.server.remove_item(data_id)

        lab.server.before_request(delete)
        try:
            plan = lab.prepare().plan()
        finally:
            lab.server.before_request(None)
        assert sum("offset=0" in query for query in pages) > 1
        assert (plan.listed, plan.unchanged, plan.names("create")) == (14, 14, names[:6])

    def test_a_page_has_a_thousand_items(self) -> None:
        assert pages_module.PAGE_ITEMS == 1000

    def test_sidecars_are_not_read_again(self, lab: SyncLab) -> None:
        lab.write({"a/x.csv": "1", "a/ei-metadata.json": '{"version": 1, "action": "add", "metadata": {"n": 1}}'})
        lab.sync()
        lab.assert_in_step({**METADATA, "n": "1"})
        lab.assert_at_rest()

    @pytest.mark.parametrize("metadata", [None, {}, {"note": ""}, {"a": "", "b": "x"}], ids=str)
    @pytest.mark.parametrize("update", ["replace", "merge"])
    def test_no_metadata_make_an_unchanged_dataset_look_changed(self, lab: SyncLab, metadata: Any, update: Any) -> None:
        lab.server.settings.metadata_update = update
        lab.write(FILES)
        lab.sync(metadata={"gone": "x"})
        lab.sync(metadata=metadata)
        lab.assert_at_rest(metadata=metadata)
        if update == "replace":
            assert lab.prepare(metadata=metadata).shards(4) == []

    @pytest.mark.parametrize("switch", [{"file_names": "latin1"}, {"metadata_update": "merge"}], ids=str)
    def test_a_service_that_changes_names_or_merges_metadata_does_not_make_it_look_changed(
        self, lab: SyncLab, switch: dict[str, Any]
    ) -> None:
        lab.server.settings.change(switch)
        lab.write({"a/é.csv": "1", "a/日本.csv": "2", 'a/"x".csv': "3", "b/x.csv": "4"})
        assert lab.sync()["created"] == 2
        lab.assert_at_rest()
        lab.write({"a/é.csv": "other"})
        assert lab.sync()["updated"] == 1
        lab.assert_at_rest()
        (item,) = (item for item in lab.server.items("d") if item.name == "a")
        assert sorted(contents(lab.server, item.id).values()) == [b"2", b"3", b"other"]


class TestOnlyTouched:
    def test_a_touched_item_is_hashed_once_and_only_its_fingerprint_is_written(self, synced: SyncLab) -> None:
        synced.touch("s03/motion.csv")
        before = synced.items()["s03"]
        summary = synced.sync()
        assert sorted(synced.opened) == ["s03/motion.csv", "s03/photos/1.jpg"]
        assert synced.operations() == [UPDATE]
        assert (summary["unchanged"], summary["updated"], summary["changed"]) == (6, 0, [])
        assert (summary["bytes_sent"], summary["bytes_hashed"]) == (0, before.total_size)
        after = synced.items()["s03"]
        assert after.files == before.files
        assert users_metadata(after.metadata) == users_metadata(before.metadata)
        old, new = (json.loads(item.metadata[STATE_KEY]) for item in (before, after))
        assert {fact for fact in new if new[fact] != old.get(fact)} == {"fingerprint", "run"}
        synced.assert_in_step()
        synced.assert_at_rest()

    def test_all_items_may_be_touched_at_once(self, synced: SyncLab) -> None:
        synced.touch(*FILES)
        assert synced.sync()["bytes_hashed"] == BYTES
        assert synced.operations() == [UPDATE] * 6
        synced.assert_at_rest()


class TestOneHasChanged:
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda lab: lab.write({"s03/motion.csv": "longer than before"}), id="other size"),
            pytest.param(lambda lab: lab.write({"s03/motion.csv": "S03 motion.csv"}), id="same size"),
            pytest.param(lambda lab: lab.write({"s03/motion.csv": ""}), id="emptied"),
            pytest.param(lambda lab: lab.write({"s03/new/x.csv": "new"}), id="one more file"),
            pytest.param(lambda lab: lab.remove("s03/motion.csv"), id="one file less"),
            pytest.param(lambda lab: (lab.top / "s03/motion.csv").rename(lab.top / "s03/m.csv"), id="renamed file"),
        ],
    )
    @pytest.mark.parametrize("update", ["replace", "merge"])
    def test_only_the_changed_item_is_read_and_sent(self, synced: SyncLab, change: Any, update: Any) -> None:
        synced.server.settings.metadata_update = update
        others = {name: item for name, item in synced.items().items() if name != "s03"}
        change(synced)
        now = synced.trees()["s03"]
        summary = synced.sync()
        assert {path.partition("/")[0] for path in synced.opened} == {"s03"}
        assert (summary["updated"], summary["unchanged"], summary["changed"]) == (1, 5, ["s03"])
        assert (summary["files_sent"], summary["bytes_sent"]) == (len(now), sum(map(len, now.values())))
        sent = [file.name for request in synced.server.requests() for file in request.files]
        assert sorted(sent) == sorted(now)
        assert {name: item for name, item in synced.items().items() if name != "s03"} == others
        synced.assert_in_step()
        synced.assert_at_rest()

    def test_the_whole_dataset_is_not_listed_for_one_item(self, synced: SyncLab) -> None:
        synced.write({"s03/motion.csv": "other"})
        synced.sync()
        listings = [request for request in synced.server.requests() if request.operation == LIST]
        assert ["filter=" in request.query for request in listings] == [False] + [True] * (len(listings) - 1)

    @pytest.mark.parametrize("changed", [1, 3, 7])
    def test_requests_are_the_pages_of_one_listing_and_six_for_each_changed_item(
        self, lab: SyncLab, monkeypatch: pytest.MonkeyPatch, changed: int
    ) -> None:
        """Look, mark as pending, send, list, mark as complete, list; however many items there are."""
        for module in (pages_module, send_module):
            monkeypatch.setattr(module, "PAGE_ITEMS", 5)
        names = [f"s{number:02}" for number in range(40)]
        lab.write({f"{name}/x.csv": name for name in names})
        lab.sync()
        pages = lab.sync()["requests"]
        assert pages == 10  # of five items, and each but the first has one of the page before it
        lab.write({f"{name}/x.csv": "longer than before" for name in names[:: 40 // changed][:changed]})
        summary = lab.sync()
        assert (summary["updated"], summary["requests"]) == (changed, pages + 6 * changed)
        listings = [request.query for request in lab.server.requests() if request.operation == LIST]
        assert sum("filter=" not in query for query in listings) == pages
        lab.write({f"new {number}/x.csv": "1" for number in range(changed)})
        assert lab.sync()["requests"] == pages + 2 * changed
        lab.assert_in_step()

    def test_a_new_folder_is_sent_and_the_item_of_a_removed_one_stays(self, synced: SyncLab) -> None:
        synced.write({"s99/x.csv": "new"})
        synced.remove("s00/motion.csv", "s00/photos/1.jpg")
        (synced.top / "s00").rmdir()
        summary = synced.sync()
        assert (summary["created"], summary["unchanged"], summary["changed"]) == (1, 5, ["s99"])
        assert synced.operations() == [CREATE]
        synced.assert_in_step(besides={"s00"})

    def test_files_that_are_excluded_later_are_removed_from_their_items(self, synced: SyncLab) -> None:
        synced.sync(exclude=["*.jpg"])
        assert [[file.name for file in item.files] for item in synced.items().values()] == [["motion.csv"]] * 6
        synced.assert_at_rest(exclude=["*.jpg"])


class TestMetadata:
    @pytest.mark.parametrize("update", ["replace", "merge"])
    def test_changed_metadata_are_sent_without_opening_a_file(self, synced: SyncLab, update: Any) -> None:
        synced.server.settings.metadata_update = update
        files = {name: item.files for name, item in synced.items().items()}
        summary = synced.sync(metadata={"study": "nap", "more": 1})
        assert synced.opened == []
        assert synced.operations() == [UPDATE] * 6
        assert (summary["updated"], summary["bytes_sent"], summary["bytes_hashed"]) == (6, 0, 0)
        synced.assert_in_step({"study": "nap", "more": "1"})
        assert {name: item.files for name, item in synced.items().items()} == files
        synced.assert_at_rest(metadata={"study": "nap", "more": 1})

    @pytest.mark.parametrize("update", ["replace", "merge"])
    def test_metadata_that_are_no_longer_given_are_removed(self, synced: SyncLab, update: Any) -> None:
        synced.server.settings.metadata_update = update
        synced.sync(metadata=None)
        assert synced.opened == []
        synced.assert_in_step({})
        synced.assert_at_rest(metadata=None)

    @pytest.mark.parametrize(
        ("text", "metadata"),
        [
            ('{"version": 1, "action": "add", "metadata": {"n": 1}}', {**METADATA, "n": "1"}),
            ('{"version": 1, "action": "add", "metadata": {"study": "own"}}', {"study": "own"}),
            ('{"version": 1, "action": "replace", "metadata": {"n": 1}}', {"n": "1"}),
        ],
    )
    def test_a_changed_sidecar_changes_the_metadata_only(
        self, synced: SyncLab, text: str, metadata: dict[str, str]
    ) -> None:
        synced.write({"s02/ei-metadata.json": text})
        for _ in range(2):
            summary = synced.sync()
            assert synced.opened == ["s02/ei-metadata.json"]
            assert synced.operations() == [UPDATE]
            assert (summary["updated"], summary["bytes_sent"], summary["changed"]) == (1, 0, ["s02"])
            assert users_metadata(synced.items()["s02"].metadata) == metadata
            synced.assert_at_rest()
            metadata = {**metadata, "m": "2"}
            changed = json.loads(text)
            changed["metadata"]["m"] = "2"
            synced.write({"s02/ei-metadata.json": json.dumps(changed)})
        synced.remove("s02/ei-metadata.json")
        synced.sync()
        assert synced.opened == []
        synced.assert_in_step()

    def test_keeps_metadata_added_by_others(self, synced: SyncLab) -> None:
        item = synced.items()["s01"]
        theirs = {"label": "good", "ei_check_1": "true"}
        synced.api.update_data_item(item.id, metadata={**item.metadata, **theirs})
        synced.assert_at_rest()
        synced.write({"s01/motion.csv": "other"})
        synced.sync(metadata={"study": "nap"})
        assert users_metadata(synced.items()["s01"].metadata) == {"study": "nap", **theirs}

    def test_a_function_makes_the_metadata_of_each_item(self, lab: SyncLab) -> None:
        def made(item: ItemContext) -> dict[str, Any]:
            return {"of": item.name, "files": item.file_count, "bytes": item.total_bytes}

        lab.write({"a/x.csv": "123", "a/y.csv": "4", "b/x.csv": ""})
        lab.sync(metadata=made)
        metadata = {name: users_metadata(item.metadata) for name, item in lab.items().items()}
        assert metadata == {
            "a": {"of": "a", "files": "2", "bytes": "4"},
            "b": {"of": "b", "files": "1", "bytes": "0"},
        }
        lab.assert_at_rest(metadata=made)

    def test_an_item_whose_metadata_cannot_be_made_fails_alone(self, lab: SyncLab) -> None:
        lab.write(FILES)
        error = lab.fails(metadata=lambda item: {"n": None if item.name == "s03" else 1})
        assert not error.retryable
        assert [failure["name"] for failure in error.summary["failures"]] == ["s03"]
        assert "metadata['n'] is None" in str(error)
        assert sorted(lab.items()) == [name for name in NAMES if name != "s03"]


class TestBySize:
    def test_files_of_the_same_size_are_not_read(self, lab: SyncLab) -> None:
        lab.write(FILES)
        assert lab.sync(comparison="size")["comparison"] == "size"
        lab.assert_in_step()
        lab.touch(*FILES)
        lab.write({"s03/motion.csv": "S03 motion.csv"})  # of the same size
        summary = lab.sync(comparison="size")
        assert (summary["unchanged"], lab.opened, lab.operations()) == (6, [], [])
        lab.write({"s03/motion.csv": "longer than before"})
        assert lab.sync(comparison="size")["changed"] == ["s03"]
        lab.assert_in_step()

    def test_what_was_overlooked_is_found_by_digest(self, synced: SyncLab) -> None:
        synced.write({"s03/motion.csv": "S03 motion.csv"})
        assert synced.sync(comparison="size")["unchanged"] == 6
        assert synced.sync()["changed"] == ["s03"]
        synced.assert_in_step()
        synced.assert_at_rest()

    def test_changed_metadata_are_sent_when_comparing_by_size(self, synced: SyncLab) -> None:
        synced.sync(comparison="size", metadata={"study": "nap"})
        assert (synced.opened, synced.operations()) == ([], [UPDATE] * 6)
        synced.assert_in_step({"study": "nap"})


class TestTheClock:
    """A file that is written twice within one tick of the file system's clock looks the same."""

    NOW = 1_700_000_000_123_456_789

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A clock that stands still."""
        clock = SimpleNamespace(time_ns=lambda: self.NOW, monotonic=dataset_module.time.monotonic)
        monkeypatch.setattr(dataset_module, "time", clock)

    def date(self, lab: SyncLab, name: str, milliseconds: int) -> None:
        """Date a file so long before now."""
        mtime = self.NOW - milliseconds * 1_000_000
        os.utime(lab.top / name, ns=(mtime, mtime))

    def test_a_sync_waits_for_the_clock_after_a_file_was_just_written(self, lab: SyncLab, clock: None) -> None:
        lab.write({"a/x.csv": "1", "b/x.csv": "1"})
        self.date(lab, "b/x.csv", 1)
        slept: list[float] = []
        lab.sync(api=lab.other_api(sleep=slept.append))
        assert slept == [pytest.approx(0.019)]

    def test_a_sync_waits_for_the_clock_after_a_sidecar_was_just_written(self, lab: SyncLab, clock: None) -> None:
        lab.write({"a/x.csv": "1", "a/ei-metadata.json": '{"version": 1, "action": "add", "metadata": {}}'})
        self.date(lab, "a/ei-metadata.json", 1)
        slept: list[float] = []
        lab.sync(api=lab.other_api(sleep=slept.append))
        assert slept == [pytest.approx(0.019)]

    def test_a_file_dated_in_the_future_does_not_hide_one_that_was_just_written(
        self, lab: SyncLab, clock: None
    ) -> None:
        lab.write({"a/x.csv": "1", "b/x.csv": "1"})
        self.date(lab, "a/x.csv", -1_000_000)
        self.date(lab, "b/x.csv", 1)
        slept: list[float] = []
        lab.sync(api=lab.other_api(sleep=slept.append))
        assert slept == [pytest.approx(0.019)]

    def test_a_sync_does_not_wait_for_old_files(self, synced: SyncLab) -> None:
        slept: list[float] = []
        synced.touch("s00/motion.csv")
        synced.sync(api=synced.other_api(sleep=slept.append))
        assert slept == []

    def test_a_sync_waits_longer_on_a_file_system_with_whole_seconds(
        self, lab: SyncLab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lab.write({"a/x.csv": "1"})
        second = 1_600_000_000 * 10**9
        os.utime(lab.top / "a/x.csv", ns=(second, second))
        clock = SimpleNamespace(time_ns=lambda: second + 10**8, monotonic=dataset_module.time.monotonic)
        monkeypatch.setattr(dataset_module, "time", clock)
        slept: list[float] = []
        lab.sync(api=lab.other_api(sleep=slept.append))
        assert slept == [pytest.approx(1.9)]

    def test_a_file_written_right_after_it_was_read_is_noticed(self, lab: SyncLab) -> None:
        api = lab.other_api(sleep=time.sleep)
        for number in range(5):
            (lab.top / "a").mkdir(exist_ok=True)
            (lab.top / "a/x.csv").write_text(f"{number}-1")
            (read,) = lab.prepare(api=api).plan().items
            (lab.top / "a/x.csv").write_text(f"{number}-2")
            seen = lab.prepare(api=api)
            (now,) = seen.plan().items
            assert now.source is not None
            assert read.source is not None
            assert now.source.fingerprint() != read.source.fingerprint()
            seen.run()
            assert lab.trees()["a"]["x.csv"] == contents(lab.server, lab.items()["a"].id)["x.csv"]


def test_shards_do_their_part_and_nothing_else(lab: SyncLab) -> None:
    lab.write(FILES)
    shards = lab.prepare().shards(3)
    assert lab.opened == []
    for number, shard in enumerate(shards):
        summary = lab.sync(shard=shard)
        assert summary["created"] == sum(shard.has(name) for name in NAMES) > 0
        assert [each for each in lab.prepare().shards(3)] == shards[number + 1 :]
    lab.assert_in_step()
    lab.assert_at_rest()


def test_a_dataset_of_the_same_name_in_other_letters_is_another_one(
    lab: SyncLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should the service's filter not tell them apart: nothing of the other one is a duplicate of ours."""
    lab.write(FILES)
    lab.sync()
    for item in lab.server.items("d"):
        lab.api.update_data_item(item.id, dataset="D")
    moved = lab.server.items("D")
    listing = lab.api.list_data_items
    monkeypatch.setattr(lab.api, "list_data_items", lambda dataset, **more: listing(None, **more))
    for _ in range(2):
        lab.sync(delete="extra")
        assert lab.server.items("D") == moved
        lab.assert_in_step()


def test_an_upload_whose_answer_is_lost_is_not_repeated(lab: SyncLab) -> None:
    lab.write(FILES)
    lab.server.inject(*(Fault(operation=CREATE, kind="drop_after", skip=skip) for skip in (0, 3)))
    summary = lab.sync()
    assert (summary["created"], summary["ambiguous_reconciled"], summary["deduplicated"]) == (6, 2, 0)
    lab.assert_in_step()
    lab.assert_at_rest()
