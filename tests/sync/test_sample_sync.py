"""Syncs of a folder with the samples of a project."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import (
    EdgeImpulseDeleteLimitError,
    EdgeImpulseInputError,
    EdgeImpulseResponseError,
    EdgeImpulseSyncError,
)
from airflow_provider_ei.sync.metadata import STATE_KEY
from tests.support.sample_syncs import add, contents, remove, run, stored, sync, write
from tests.support.samples import clients, csv
from tests.support.studio import changes, operations

FILES = {
    "training/idle/1.csv": csv(1),
    "training/walking/day 1/2.csv": csv(2),
    "testing/idle/3.csv": csv(3),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmulatorServer]:
    with EmulatorServer() as studio:
        yield studio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "source", FILES)


def names(files: dict[str, bytes]) -> dict[str, bytes]:
    """What the project should have of a folder."""
    found = {}
    for path, data in files.items():
        steps = path.split("/")
        found[f"{steps[0]}/{steps[1]}/{steps[-1]}"] = data
    return found


def settled(server: EmulatorServer, folder: Path, **arguments: object) -> None:
    """One more run has nothing to do."""
    server.clear_requests()
    summary = sync(server, folder, **arguments)
    assert changes(server) == []
    assert summary["unchanged"] == summary["own"] if "own" in summary else True
    assert (summary["created"], summary["updated"], summary["deleted"], summary["bytes_hashed"]) == (0, 0, 0, 0)


def test_uploads_each_file_with_category_and_label_of_its_folders(server: EmulatorServer, folder: Path) -> None:
    summary = sync(server, folder, metadata={"site": "Graz"})
    assert (summary["created"], summary["failed"], summary["files_sent"]) == (3, 0, 3)
    assert summary["changed"] == sorted(FILES)
    assert contents(server) == names(FILES)
    assert {metadata["site"] for _, metadata in stored(server).values()} == {"Graz"}
    settled(server, folder, metadata={"site": "Graz"})


def test_an_unchanged_folder_costs_listings_only(server: EmulatorServer, folder: Path) -> None:
    sync(server, folder)
    server.clear_requests()
    summary = sync(server, folder)
    assert (summary["unchanged"], summary["listed"]) == (3, 3)
    assert {request.operation for request in server.requests()} == {"listSamples"}
    assert len(server.requests()) == 3


def test_a_layout_decides_category_and_label(server: EmulatorServer, tmp_path: Path) -> None:
    folder = write(tmp_path / "source", {"pump_on.csv": csv(1), "deep/er/pump_off.csv": csv(2)})

    def layout(path: str) -> tuple[str, str]:
        return ("testing" if "/" in path else "training"), path.rpartition("_")[2].removesuffix(".csv")

    sync(server, folder, layout=layout)
    assert contents(server) == {"training/on/pump_on.csv": csv(1), "testing/off/pump_off.csv": csv(2)}


def test_new_content_replaces_the_sample(server: EmulatorServer, folder: Path) -> None:
    sync(server, folder)
    add(folder, "training/idle/1.csv", csv(7))
    server.clear_requests()
    summary = sync(server, folder)
    assert (summary["updated"], summary["unchanged"], summary["deleted"]) == (1, 2, 0)
    assert contents(server) == names(FILES) | {"training/idle/1.csv": csv(7)}
    assert operations(server) == ["uploadSamples", "deleteSample"], "the new one is there before the old one goes"
    settled(server, folder)


def test_a_touched_file_is_read_and_not_sent(server: EmulatorServer, folder: Path) -> None:
    sync(server, folder)
    os.utime(folder / "training/idle/1.csv", (1, 1))
    server.clear_requests()
    summary = sync(server, folder)
    assert (summary["unchanged"], summary["files_sent"], summary["bytes_hashed"]) == (3, 0, len(csv(1)))
    assert operations(server) == ["setSampleMetadata"]
    settled(server, folder)


def test_a_moved_file_moves_its_sample(server: EmulatorServer, folder: Path) -> None:
    sync(server, folder)
    before = {sample.file_name: sample.id for sample in server.samples.list()}
    (folder / "training/idle/1.csv").rename(folder / "testing/idle/1.csv")
    summary = sync(server, folder, delete="extra")
    assert (summary["updated"], summary["deleted"], summary["kept"]) == (1, 0, 0)
    sample = next(each for each in server.samples.list() if each.file_name == "1.csv")
    assert (sample.id, sample.category, sample.label) == (before["1.csv"], "testing", "idle")
    settled(server, folder, delete="extra")


def test_metadata_of_the_sync_change_and_those_of_others_stay(server: EmulatorServer, folder: Path) -> None:
    sync(server, folder, metadata={"site": "Graz", "run": "1"})
    for sample in server.samples.list():
        server.samples.edit(sample.id, metadata={**sample.metadata, "who": "Eva"})
    for update in ("replace", "merge"):
        server.settings.metadata_update = update
        wanted = {"site": "Vienna", update: "1"}
        summary = sync(server, folder, metadata=wanted)
        assert (summary["updated"], summary["files_sent"]) == (3, 0)
        for _, metadata in stored(server).values():
            assert {key: value for key, value in metadata.items() if value} == {**wanted, "who": "Eva"}
        settled(server, folder, metadata=wanted)


def test_what_somebody_has_changed_is_put_right(server: EmulatorServer, folder: Path) -> None:
    sync(server, folder, metadata={"site": "Graz"})
    relabeled, moved, stripped = server.samples.list()
    server.samples.edit(relabeled.id, label="x")
    server.samples.edit(moved.id, category="training" if moved.category == "testing" else "testing")
    server.samples.edit(stripped.id, metadata={})
    # Without its metadata, a sample is no longer ours: it is found by its content and taken over, but never deleted.
    summary = sync(server, folder, metadata={"site": "Graz"})
    assert (summary["repaired"] + summary["updated"], summary["failed"]) == (3 - (contents(server) == {}), 0)
    assert contents(server) == names(FILES)
    settled(server, folder, metadata={"site": "Graz"})


def test_a_sample_moved_out_of_the_listed_categories_is_moved_back(server: EmulatorServer, folder: Path) -> None:
    sync(server, folder)
    sample = server.samples.list()[0]
    server.samples.edit(sample.id, category="validation")
    sync(server, folder)
    assert contents(server) == names(FILES)
    assert server.samples.get(sample.id).category != "validation"
    settled(server, folder)


class TestDeletes:
    def test_by_default_nothing_is_deleted(self, server: EmulatorServer, folder: Path) -> None:
        sync(server, folder)
        (folder / "training/idle/1.csv").unlink()
        assert sync(server, folder)["deleted"] == 0
        assert contents(server) == names(FILES)

    def test_a_sample_whose_file_is_gone_is_deleted_if_told_to(self, server: EmulatorServer, folder: Path) -> None:
        add(folder, "training/idle/other.csv", csv(9))
        sync(server, folder)
        (folder / "training/idle/1.csv").unlink()
        server.clear_requests()
        summary = sync(server, folder, delete="extra")
        assert (summary["deleted"], summary["changed"]) == (1, ["training/idle/1.csv"])
        assert [request.operation for request in server.requests()][-2:] == ["getSample", "deleteSample"]
        assert "training/idle/1.csv" not in contents(server)
        settled(server, folder, delete="extra")

    def test_an_emptied_folder_may_be_an_unmounted_disk(self, server: EmulatorServer, folder: Path) -> None:
        sync(server, folder)
        (folder / "training/idle/1.csv").unlink()
        summary = sync(server, folder, delete="extra")
        assert (summary["deleted"], summary["kept"]) == (0, 1)
        assert "not mounted" in summary["kept_items"][0]["reason"]

    def test_a_sync_id_is_needed(self, server: EmulatorServer, folder: Path) -> None:
        with pytest.raises(EdgeImpulseInputError, match="sync_id"):
            sync(server, folder, delete="extra", sync_id=None)

    def test_more_than_half_is_refused_before_anything_is_changed(self, server: EmulatorServer, folder: Path) -> None:
        sync(server, folder)
        write(folder, {"training/idle/new.csv": csv(5)})
        server.clear_requests()
        with pytest.raises(EdgeImpulseDeleteLimitError, match="3 of the sync's samples"):
            sync(server, folder, delete="extra")
        assert changes(server) == []
        assert sync(server, folder, delete="extra", max_delete="100%")["deleted"] == 3
        assert contents(server) == {"training/idle/new.csv": csv(5)}

    def test_an_empty_source_deletes_nothing(self, server: EmulatorServer, folder: Path) -> None:
        sync(server, folder)
        write(folder, {})
        with pytest.raises(EdgeImpulseDeleteLimitError, match="taken for lost"):
            sync(server, folder, delete="extra", max_delete="100%")
        assert contents(server) == names(FILES)

    def test_samples_of_others_are_never_deleted_or_changed(self, server: EmulatorServer, folder: Path) -> None:
        by_hand = server.samples.put("hand.csv", csv(20), label="idle", metadata={"who": "Eva"})
        sync(server, write(folder.parent / "other", {"training/idle/o.csv": csv(21)}), sync_id="weekly")
        before = {sample.id: sample for sample in server.samples.list()}
        sync(server, folder)
        remove(folder, "testing/idle/3.csv")
        assert sync(server, folder, delete="extra")["deleted"] == 1
        assert {key: server.samples.get(key) for key in before} == before
        assert by_hand in before

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"label": "checked"}, "changed its label"),
            ({"metadata": {}}, "no longer belongs"),
            ({"metadata": None}, "metadata were changed"),
        ],
    )
    def test_a_sample_that_is_changed_after_the_plan_is_kept(
        self, server: EmulatorServer, folder: Path, change: dict[str, object], reason: str
    ) -> None:
        sync(server, folder)
        remove(folder, "testing/idle/3.csv")
        sample = next(each for each in server.samples.list() if each.file_name == "3.csv")
        if change.get("metadata", "") is None:
            change = {"metadata": {**sample.metadata, "who": "Eva"}}

        def edit(request: object) -> None:
            if getattr(request, "operation", "") == "getSample":
                server.samples.edit(sample.id, **change)

        server.before_request(edit)
        summary = sync(server, folder, delete="extra")
        server.before_request(None)
        assert (summary["deleted"], summary["kept"]) == (0, 1)
        assert reason in summary["kept_items"][0]["reason"]
        assert server.samples.get(sample.id)

    def test_a_copy_made_in_studio_with_our_metadata_is_not_deleted(self, server: EmulatorServer, folder: Path) -> None:
        sync(server, folder)
        sample = next(each for each in server.samples.list() if each.file_name == "3.csv")
        crop = server.samples.put("3.s1.csv", csv(30), label="idle", category="testing", metadata=sample.metadata)
        remove(folder, "testing/idle/3.csv")
        summary = sync(server, folder, delete="extra", max_delete="100%")
        assert summary["kept"] == 2
        assert {each.id for each in server.samples.list()} >= {sample.id, crop}

    def test_a_file_that_is_back_keeps_its_sample(self, server: EmulatorServer, folder: Path) -> None:
        sync(server, folder)
        remove(folder, "training/idle/1.csv")

        def put_back(request: object) -> None:
            if getattr(request, "operation", "") == "getSample":
                add(folder, "training/idle/1.csv", csv(1))

        server.before_request(put_back)
        summary = sync(server, folder, delete="extra")
        server.before_request(None)
        assert (summary["deleted"], summary["kept"]) == (0, 1)

    def test_nothing_is_deleted_when_a_sample_has_failed(self, server: EmulatorServer, folder: Path) -> None:
        sync(server, folder)
        remove(folder, "testing/idle/3.csv")
        add(folder, "training/idle/broken.json", b"{")
        with pytest.raises(EdgeImpulseSyncError, match="not valid JSON") as raised:
            sync(server, folder, delete="extra")
        assert (raised.value.summary["failed"], raised.value.summary["deleted"]) == (1, 0)
        assert contents(server) == names(FILES)

    def test_excluded_files_keep_their_samples(self, server: EmulatorServer, folder: Path) -> None:
        sync(server, folder)
        for patterns in ({"exclude": ["*.csv"]}, {"exclude": ["testing/"]}, {"include": ["training/"]}):
            assert sync(server, folder, delete="extra", **patterns)["deleted"] == 0
        assert contents(server) == names(FILES)


class TestContentThatIsThereAlready:
    def test_a_sample_of_somebody_else_is_adopted_and_never_deleted(self, server: EmulatorServer, folder: Path) -> None:
        theirs = server.samples.put("1.csv", csv(1), label="idle", metadata={"who": "Eva"})
        summary = sync(server, folder)
        assert (summary["created"], summary["updated"]) == (2, 1)
        assert contents(server) == names(FILES)
        settled(server, folder)
        remove(folder, "training/idle/1.csv")
        assert sync(server, folder, delete="extra")["deleted"] == 0
        assert server.samples.get(theirs).metadata["who"] == "Eva"

    def test_one_with_another_label_is_left_alone_and_named(self, server: EmulatorServer, folder: Path) -> None:
        theirs = server.samples.put("x.csv", csv(1), label="pump")
        before = server.samples.get(theirs)
        with pytest.raises(EdgeImpulseSyncError, match=f"sample {theirs}.*'pump' in training"):
            sync(server, folder)
        assert server.samples.get(theirs) == before
        assert len(server.samples.list()) == 3

    def test_two_files_with_the_same_content_are_named(self, server: EmulatorServer, folder: Path) -> None:
        sync(server, folder)
        add(folder, "training/walking/again.csv", csv(1))
        with pytest.raises(EdgeImpulseSyncError, match=r"again\.csv.*same content.*training/idle/1\.csv"):
            sync(server, folder)
        assert contents(server) == names(FILES)


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "error"),
        [
            ("stray.csv", "Move 'stray.csv' into a folder"),
            ("validation/idle/1.csv", "the category must be one of"),
            ("training/idle/info.labels", "Exclude 'training/idle/info.labels'"),
        ],
    )
    def test_a_file_out_of_place_is_named_and_the_others_are_sent(
        self, server: EmulatorServer, folder: Path, name: str, error: str
    ) -> None:
        add(folder, name, b"x")
        with pytest.raises(EdgeImpulseSyncError, match=error):
            sync(server, folder)
        assert contents(server) == names(FILES)
        assert sync(server, folder, exclude=[name])["unchanged"] == 3

    def test_a_missing_source_is_an_error(self, server: EmulatorServer, tmp_path: Path) -> None:
        with pytest.raises(EdgeImpulseInputError, match="source"):
            sync(server, tmp_path / "nowhere")

    @pytest.mark.parametrize(
        "arguments", [{"delete": "all"}, {"workers": 0}, {"layout": "x"}, {"max_delete": -1}, {"metadata": {"a": []}}]
    )
    def test_wrong_arguments_are_named(
        self, server: EmulatorServer, folder: Path, arguments: dict[str, object]
    ) -> None:
        with pytest.raises(EdgeImpulseInputError, match=next(iter(arguments))):
            sync(server, folder, **{"sync_id": "x", **arguments})
        assert server.requests() == []


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(server: EmulatorServer, folder: Path) -> None:
    add(folder, "training/idle/gone.csv", csv(9))
    sync(server, folder)
    before = server.samples.list()
    (folder / "training/idle/gone.csv").unlink()
    add(folder, "training/idle/1.csv", csv(7))
    add(folder, "training/idle/new.csv", csv(8))
    server.clear_requests()
    summary = sync(server, folder, delete="extra", dry_run=True)
    assert summary["plan"] == {
        "create": ["training/idle/new.csv"],
        "update": ["training/idle/1.csv"],
        "repair": [],
        "delete": ["training/idle/gone.csv"],
    }
    assert (summary["created"], summary["updated"], summary["deleted"], summary["unchanged"]) == (1, 1, 1, 2)
    assert server.samples.list() == before and changes(server) == []


def test_an_incomplete_listing_changes_nothing(server: EmulatorServer, folder: Path) -> None:
    sync(server, folder)
    server.inject(Fault(operation="listSamples", kind="success_false", count=100))
    server.clear_requests()
    with pytest.raises(Exception, match="Something went wrong"):
        sync(server, folder, delete="extra")
    assert changes(server) == []


def test_a_listing_in_small_pages_is_complete(
    server: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_ei.studio.api.samples.PAGE_SAMPLES", 7)
    folder = write(tmp_path / "source", {f"training/idle/{number}.csv": csv(number) for number in range(50)})
    sync(server, folder)
    for order in ("newest", "oldest"):
        server.settings.sample_order = order
        settled(server, folder)
    server.settings.listing_offset = "ignored"
    with pytest.raises(EdgeImpulseResponseError):
        sync(server, folder)


@pytest.mark.parametrize(
    "switches",
    [
        {"sample_names": "as_sent"},
        {"sample_hashes": "other"},
        {"metadata_update": "merge"},
        {"ingestion_errors": "json"},
    ],
    ids=lambda switches: next(iter(switches)),
)
def test_works_with_every_kind_of_service(server: EmulatorServer, folder: Path, switches: dict[str, str]) -> None:
    server.settings.change(switches)
    sync(server, folder)
    settled(server, folder)
    add(folder, "training/idle/1.csv", csv(7))
    remove(folder, "testing/idle/3.csv")
    sync(server, folder, delete="extra")
    assert contents(server) == {"training/idle/1.csv": csv(7), "training/walking/2.csv": csv(2)}
    settled(server, folder, delete="extra")


def test_the_state_is_one_metadata_key(server: EmulatorServer, folder: Path) -> None:
    sync(server, folder)
    assert all(set(sample.metadata) == {STATE_KEY} for sample in server.samples.list())


def test_one_client_may_serve_several_runs(server: EmulatorServer, folder: Path) -> None:
    with clients(server) as (api, ingestion):
        first, second = (run(api, ingestion, str(folder)) for _ in range(2))
    assert (first["created"], second["unchanged"], second["requests"]) == (3, 3, 3)
