"""What an item looks like, and whether the service has it as it looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.studio.models import DataFile, DataItem
from airflow_provider_ei.sync.dataset.options import Shard, SyncOptions
from airflow_provider_ei.sync.dataset.source import SourceItem, is_as_listed
from airflow_provider_ei.sync.item_state import ItemState, complete_metadata
from airflow_provider_ei.sync.metadata import STATE_KEY
from airflow_provider_ei.sync.stored_names import names_digest
from tests.support.files import LookedAt
from tests.support.items import changed_state, complete, listed_item

OPTIONS = SyncOptions(dataset="d", sync_id="nightly")


FILES = {"x.csv": b"1", "sub/y.csv": b"22"}
METADATA = {"subject": "s17", "n": "1"}


def item(metadata: Mapping[str, str] = METADATA, sidecar: Any = None) -> SourceItem:
    return SourceItem("run 1", [LookedAt(name, data) for name, data in FILES.items()], dict(metadata), sidecar)


def with_file(number: int, **changed: Any) -> SourceItem:
    made = item()
    made.files = [replace(file, **changed) if n == number else file for n, file in enumerate(made.files)]
    return made


class TestFingerprint:
    def test_the_order_of_files_does_not_matter(self) -> None:
        other = item()
        other.files = list(reversed(other.files))
        other = SourceItem(other.name, other.files, dict(reversed(METADATA.items())))
        assert other.fingerprint() == item().fingerprint()

    def test_a_fingerprint_is_short(self) -> None:
        assert len(item().fingerprint() or "") == 65

    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"name": "z.csv"}, id="name"),
            pytest.param({"stated_size": 3}, id="size"),
            pytest.param({"version": "2"}, id="time"),
        ],
    )
    def test_a_changed_file_changes_it(self, changed: dict[str, Any]) -> None:
        before, after = (
            (item().fingerprint() or "").split("-"),
            (with_file(1, **changed).fingerprint() or "").split("-"),
        )
        assert before[0] != after[0]
        assert before[1] == after[1]

    def test_the_number_of_files_changes_it(self) -> None:
        fewer, none = item(), item()
        fewer.files, none.files = fewer.files[:1], []
        assert len({each.fingerprint() for each in (item(), fewer, none)}) == 3

    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"metadata": METADATA | {"n": "2"}}, id="value"),
            pytest.param({"metadata": METADATA | {"m": ""}}, id="key"),
            pytest.param({"metadata": {}}, id="no metadata"),
            pytest.param({"sidecar": LookedAt("ei-metadata.json", b"{}")}, id="sidecar"),
        ],
    )
    def test_changed_metadata_changes_its_second_part_only(self, changed: dict[str, Any]) -> None:
        before, after = (item().fingerprint() or "").split("-"), (item(**changed).fingerprint() or "").split("-")
        assert before[0] == after[0]
        assert before[1] != after[1]

    @pytest.mark.parametrize("changed", [{"stated_size": 3}, {"version": "2"}])
    def test_a_changed_sidecar_changes_it(self, changed: dict[str, Any]) -> None:
        sidecar = LookedAt("ei-metadata.json", b"{}")
        assert item(sidecar=sidecar).fingerprint() != item(sidecar=replace(sidecar, **changed)).fingerprint()

    def test_swapped_versions_change_it(self) -> None:
        one, other = item(), item()
        one.files = [LookedAt("a", b"1", version="2"), LookedAt("b", b"1", version="3")]
        other.files = [LookedAt("a", b"1", version="3"), LookedAt("b", b"1", version="2")]
        assert one.fingerprint() != other.fingerprint()

    def test_a_file_without_a_version_has_no_fingerprint(self) -> None:
        assert with_file(0, version=None).fingerprint() is None
        assert item(sidecar=LookedAt("ei-metadata.json", b"{}", version=None)).fingerprint() is None

    def test_a_name_that_is_not_utf8_has_a_fingerprint(self) -> None:
        assert with_file(0, name="\udcff.csv").fingerprint() is not None


def listing(metadata: Mapping[str, str] = METADATA) -> DataItem:
    """The item as the service lists it after a sync, with metadata from others in addition to ours."""
    made = complete(FILES, metadata, sync="nightly", fingerprint=item(metadata).fingerprint())
    return listed_item(FILES, {**made, "by hand": "x"})


def changed_files(change: Callable[[list[DataFile]], list[DataFile]]) -> DataItem:
    made = listing()
    return structs.replace(made, files=tuple(change(list(made.files or ()))))


def changed_metadata(**changed: str | None) -> DataItem:
    made = listing()
    metadata = {**made.metadata, **changed}
    return structs.replace(made, metadata={key: value for key, value in metadata.items() if value is not None})


def changed_facts(**changed: Any) -> DataItem:
    """The listing with other facts in the state that we keep there."""
    made = listing()
    return structs.replace(made, metadata=changed_state(made.metadata, **changed))


def spelled(forms: Mapping[str, str], **changed: Any) -> DataItem:
    """The listing of a service that has given the files names of its own, which the state knows."""
    made = changed_facts(**({"stored_files": names_digest(forms.values())} | changed))
    files = [DataFile(name=forms[file.name], size=file.size) for file in made.files or ()]
    return structs.replace(made, files=tuple(files))


def as_listed(source: SourceItem, listed: DataItem) -> bool:
    looks, state = source.looks(), ItemState.of(listed)
    return looks is not None and state is not None and is_as_listed(looks, listed, state, lambda: source)


class TestAsListed:
    def is_as_listed(self, listed: DataItem, metadata: Mapping[str, str] = METADATA) -> bool:
        return as_listed(item(metadata), listed)

    @pytest.mark.parametrize("metadata", [METADATA, {}, {"subject": "s17", "note": ""}, {"note": ""}], ids=str)
    def test_an_item_is_as_listed_after_a_sync(self, metadata: Mapping[str, str]) -> None:
        assert self.is_as_listed(listing(metadata), metadata)

    def test_a_key_that_could_only_be_blanked_is_as_listed(self) -> None:
        before = changed_facts(keys=["gone", "n", "subject"])
        before = structs.replace(before, metadata={**before.metadata, "gone": "x"})
        state = ItemState.of(before)
        assert state is not None
        blanked = complete_metadata(before, METADATA, state)
        assert blanked["gone"] == ""
        assert self.is_as_listed(listed_item(FILES, blanked))

    def test_the_order_of_listed_files_does_not_matter(self) -> None:
        assert self.is_as_listed(changed_files(lambda files: files[::-1]))

    def test_metadata_of_others_do_not_matter(self) -> None:
        assert self.is_as_listed(changed_metadata(**{"by hand": "y", "more": "z", "dataItemInfo": "{}"}))

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda files: files[1:], id="one is gone"),
            pytest.param(lambda files: [], id="all are gone"),
            pytest.param(lambda files: [*files, DataFile(name="z.csv", size=1)], id="one more"),
            pytest.param(lambda files: [*files, files[0]], id="one is there twice"),
            pytest.param(lambda files: [files[0], files[0]], id="one twice in the place of another"),
            pytest.param(lambda files: [DataFile(name="x.csv", size=2), files[1]], id="another size"),
            pytest.param(lambda files: [DataFile(name="X.csv", size=1), files[1]], id="another name"),
        ],
    )
    def test_files_that_were_changed_in_studio_are_noticed(
        self, change: Callable[[list[DataFile]], list[DataFile]]
    ) -> None:
        assert not self.is_as_listed(changed_files(change))

    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"n": "2"}, id="a value of ours"),
            pytest.param({"n": None}, id="a key of ours is gone"),
            pytest.param({"n": ""}, id="a value of ours is blank"),
            pytest.param({"n": "", "subject": ""}, id="all values of ours are blank"),
            pytest.param({STATE_KEY: None}, id="it is not ours"),
            pytest.param({STATE_KEY: ""}, id="the state is blank"),
            pytest.param({STATE_KEY: "no json"}, id="the state cannot be read"),
        ],
    )
    def test_metadata_that_were_changed_in_studio_are_noticed(self, changed: dict[str, str | None]) -> None:
        assert not self.is_as_listed(changed_metadata(**changed))

    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"keys": ["n"]}, id="fewer keys are ours"),
            pytest.param({"keys": ["n", "subject", "by hand"]}, id="more keys are ours"),
            pytest.param({"keys": []}, id="no keys are ours"),
            pytest.param({"keys": None}, id="our keys are gone"),
            pytest.param({"version": 2}, id="another version"),
            pytest.param({"name": "run 2"}, id="it was written for another name"),
            pytest.param({"dataset": "archive"}, id="it was written for another dataset"),
            pytest.param({"state": None}, id="no state"),
            pytest.param({"state": "pending", "run": "r"}, id="pending"),
            pytest.param({"digest": "0" * 64}, id="another digest"),
            pytest.param({"digest": None}, id="no digest"),
            pytest.param({"files": None}, id="no digest of the files"),
            pytest.param({"files": "0" * 64}, id="another digest of the files"),
            pytest.param({"fingerprint": None}, id="no fingerprint"),
            pytest.param({"fingerprint": ""}, id="an empty fingerprint"),
            pytest.param({"fingerprint": f"{'0' * 32}-{'0' * 32}"}, id="another fingerprint"),
            pytest.param({"stored_files": names_digest(["X.csv", "y.csv"])}, id="the files had other names there"),
            pytest.param({"stored_name": "run_1"}, id="the item had another name there"),
            pytest.param({"stored_dataset": "D"}, id="the dataset had another name there"),
        ],
    )
    def test_a_state_that_was_changed_in_studio_is_noticed(self, changed: dict[str, Any]) -> None:
        assert not self.is_as_listed(changed_facts(**changed))

    def test_a_key_of_ours_that_was_removed_is_noticed(self) -> None:
        made = changed_facts(keys=["n"])
        metadata = {key: value for key, value in made.metadata.items() if key != "subject"}
        assert not self.is_as_listed(structs.replace(made, metadata=metadata))

    @pytest.mark.parametrize("place", [{"name": "run 1 good"}, {"dataset": "archive"}], ids=str)
    def test_an_item_that_was_renamed_or_moved_is_noticed(self, place: dict[str, str]) -> None:
        assert not self.is_as_listed(structs.replace(listing(), **place))

    def test_an_item_whose_name_the_service_spells_in_another_way_is_read_once_to_remember_it(self) -> None:
        source = replace(item(), name="cafe\u0301")
        for known in (False, True):
            made = changed_facts(name="cafe\u0301", stored_name="café" if known else None)
            made = structs.replace(made, name="café")
            assert as_listed(source, made) == known

    FORMS: Mapping[str, str] = {"x.csv": "x.csv", "sub/y.csv": "y.csv"}

    def test_known_spellings_of_file_names_are_as_listed(self) -> None:
        assert self.is_as_listed(spelled(self.FORMS))

    @pytest.mark.parametrize(
        ("forms", "changed"),
        [
            pytest.param(FORMS, {"stored_files": None}, id="not known"),
            pytest.param(FORMS, {"stored_files": names_digest(["x.csv", "z.csv"])}, id="others were known"),
            pytest.param({"x.csv": "y.csv", "sub/y.csv": "x.csv"}, {}, id="swapped, so that sizes differ"),
            pytest.param({"x.csv": "X.csv", "sub/y.csv": "y.csv"}, {}, id="one is not a form of a name"),
        ],
    )
    def test_unknown_spellings_of_file_names_are_noticed(self, forms: dict[str, str], changed: dict[str, Any]) -> None:
        assert not self.is_as_listed(spelled(forms, **changed))

    @pytest.mark.parametrize(
        "changed", [{"name": "z.csv"}, {"stated_size": 3}, {"version": "2"}, {"version": None}], ids=str
    )
    def test_files_that_have_changed_in_the_source_are_noticed(self, changed: dict[str, Any]) -> None:
        source = with_file(0, **changed)
        assert not as_listed(source, listing())

    def test_metadata_that_has_changed_in_the_source_is_noticed(self) -> None:
        source = item(metadata={"n": "1"})
        assert not as_listed(source, listing())


class TestLook:
    def test_an_item_is_resolved_once(self) -> None:
        source = item()
        wanted = source.resolve(replace(OPTIONS, bucket_id=3))
        assert (wanted.name, wanted.dataset, wanted.sync_id, wanted.bucket_id) == ("run 1", "d", "nightly", 3)
        assert [file.name for file in wanted.files] == ["sub/y.csv", "x.csv"]
        assert wanted.metadata == METADATA
        assert wanted.fingerprint == source.fingerprint()
        assert source.resolve(OPTIONS) is wanted

    def test_an_item_compared_by_size_has_no_fingerprint(self) -> None:
        wanted = item().resolve(replace(OPTIONS, comparison="size"))
        assert (wanted.fingerprint, wanted.sizes_only) == (None, True)

    def test_the_sidecar_is_read(self) -> None:
        data = b'{"version": 1, "action": "add", "metadata": {"subject": "s18"}}'
        wanted = item(sidecar=LookedAt("ei-metadata.json", data, closed=False)).resolve(OPTIONS)
        assert wanted.metadata == METADATA | {"subject": "s18"}

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("a\nb.csv", "control character"),
            ("\udcff.csv", "Remove the bytes that are not UTF-8"),
            ("../x.csv", "give a relative name"),
            ("SUB/Y.csv", "names that collide"),
        ],
    )
    def test_invalid_file_names_are_refused(self, name: str, words: str) -> None:
        with pytest.raises(EdgeImpulseInputError, match=f"^Data item 'run 1': .*{words}"):
            with_file(0, name=name).resolve(OPTIONS)

    @pytest.mark.parametrize("name", ["", " x", "a\tb", "\udcff"])
    def test_an_invalid_item_name_is_refused(self, name: str) -> None:
        with pytest.raises(EdgeImpulseInputError, match=r"^Data item .*name"):
            replace(item(), name=name).resolve(OPTIONS)


class TestShards:
    NAMES = [f"vehicle-{number}/{day}" for number in range(40) for day in range(5)] + ["", "é", "\udcff"]

    @pytest.mark.parametrize("count", [1, 2, 3, 8])
    def test_every_item_is_in_exactly_one(self, count: int) -> None:
        shards = Shard.all(count)
        assert [sum(shard.has(name) for shard in shards) for name in self.NAMES] == [1] * len(self.NAMES)
        assert all(any(shard.has(name) for name in self.NAMES) for shard in shards)

    def test_shards_are_the_same_on_every_machine(self) -> None:
        assert [next(s.number for s in Shard.all(8) if s.has(name)) for name in ("a", "b", "c/d", "é")] == [2, 2, 5, 3]
