"""What an item looks like, and whether the service has it as it looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.studio.answers import DataFile, DataItem
from airflow_provider_ei.sync.dataset.rules import Shard, SyncRules
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.metadata import (
    FILES_MARK,
    FINGERPRINT_MARK,
    KEYS_MARK,
    OWNER_MARK,
    RUN_MARK,
    STATE_MARK,
    complete_metadata,
)

from .support import LookedAt, listed_item, wanted_item

RULES = SyncRules("nightly")


FILES = {"x.csv": b"1", "sub/y.csv": b"22"}
TEXTS = {"subject": "s17", "n": "1"}


def item(texts: Mapping[str, str] = TEXTS, sidecar: Any = None) -> SourceItem:
    return SourceItem("run 1", [LookedAt(name, data) for name, data in FILES.items()], dict(texts), sidecar)


def with_file(number: int, **changed: Any) -> SourceItem:
    made = item()
    made.files = [replace(file, **changed) if n == number else file for n, file in enumerate(made.files)]
    return made


class TestFingerprint:
    def test_is_the_same_in_any_order(self) -> None:
        other = item()
        other.files = list(reversed(other.files))
        other.texts = dict(reversed(TEXTS.items()))
        assert other.fingerprint() == item().fingerprint()

    def test_is_short(self) -> None:
        assert len(item().fingerprint() or "") == 65

    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"name": "z.csv"}, id="name"),
            pytest.param({"stated_size": 3}, id="size"),
            pytest.param({"version": "2"}, id="time"),
        ],
    )
    def test_changes_with_a_file(self, changed: dict[str, Any]) -> None:
        before, after = (
            (item().fingerprint() or "").split("-"),
            (with_file(1, **changed).fingerprint() or "").split("-"),
        )
        assert before[0] != after[0]
        assert before[1] == after[1]

    def test_changes_with_the_number_of_files(self) -> None:
        fewer, none = item(), item()
        fewer.files, none.files = fewer.files[:1], []
        assert len({each.fingerprint() for each in (item(), fewer, none)}) == 3

    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"texts": TEXTS | {"n": "2"}}, id="value"),
            pytest.param({"texts": TEXTS | {"m": ""}}, id="key"),
            pytest.param({"texts": {}}, id="no metadata"),
            pytest.param({"sidecar": LookedAt("ei-metadata.json", b"{}")}, id="sidecar"),
        ],
    )
    def test_changes_with_the_metadata_alone(self, changed: dict[str, Any]) -> None:
        before, after = (item().fingerprint() or "").split("-"), (item(**changed).fingerprint() or "").split("-")
        assert before[0] == after[0]
        assert before[1] != after[1]

    @pytest.mark.parametrize("changed", [{"stated_size": 3}, {"version": "2"}])
    def test_changes_with_the_sidecar(self, changed: dict[str, Any]) -> None:
        sidecar = LookedAt("ei-metadata.json", b"{}")
        assert item(sidecar=sidecar).fingerprint() != item(sidecar=replace(sidecar, **changed)).fingerprint()

    def test_what_moves_from_one_file_to_the_other(self) -> None:
        one, other = item(), item()
        one.files = [LookedAt("a", b"1", version="2"), LookedAt("b", b"1", version="3")]
        other.files = [LookedAt("a", b"1", version="3"), LookedAt("b", b"1", version="2")]
        assert one.fingerprint() != other.fingerprint()

    def test_without_a_version_there_is_none(self) -> None:
        assert with_file(0, version=None).fingerprint() is None
        assert item(sidecar=LookedAt("ei-metadata.json", b"{}", version=None)).fingerprint() is None

    def test_of_a_name_that_is_no_utf8(self) -> None:
        assert with_file(0, name="\udcff.csv").fingerprint() is not None


def listing(texts: Mapping[str, str] = TEXTS) -> DataItem:
    """The item as the service lists it after a sync, with the metadata of others beside ours."""
    wanted, fingerprint = wanted_item(FILES, texts, read=True), item(texts).fingerprint()
    made = complete_metadata(
        {}, texts, state=wanted.digest, files=wanted.files_digest, sync="nightly", fingerprint=fingerprint
    )
    return listed_item(FILES, {**made, "by hand": "x"})


def changed_files(change: Callable[[list[DataFile]], list[DataFile]]) -> DataItem:
    made = listing()
    return made.model_copy(update={"files": tuple(change(list(made.files or ())))})


def changed_metadata(**changed: str | None) -> DataItem:
    made = listing()
    metadata = {**made.metadata, **changed}
    return made.model_copy(update={"metadata": {key: value for key, value in metadata.items() if value is not None}})


class TestAsListed:
    def is_as_listed(self, listed: DataItem, texts: Mapping[str, str] = TEXTS) -> bool:
        source = item(texts)
        return source.is_as_listed(listed, source.fingerprint())

    @pytest.mark.parametrize("texts", [TEXTS, {}, {"subject": "s17", "note": ""}, {"note": ""}], ids=str)
    def test_after_a_sync(self, texts: Mapping[str, str]) -> None:
        assert self.is_as_listed(listing(texts), texts)

    def test_after_a_sync_that_could_only_blank_a_key(self) -> None:
        before = listing().metadata | {"gone": "x", KEYS_MARK: '["gone","n","subject"]'}
        blanked = complete_metadata(
            before, TEXTS, state=before[STATE_MARK], files=before[FILES_MARK], fingerprint=item().fingerprint()
        )
        assert blanked["gone"] == ""
        assert self.is_as_listed(listed_item(FILES, blanked))

    def test_in_any_order(self) -> None:
        assert self.is_as_listed(changed_files(lambda files: files[::-1]))

    def test_metadata_of_others_are_theirs(self) -> None:
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
    def test_files_that_were_changed_there(self, change: Callable[[list[DataFile]], list[DataFile]]) -> None:
        assert not self.is_as_listed(changed_files(change))

    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"n": "2"}, id="a value of ours"),
            pytest.param({"n": None}, id="a key of ours is gone"),
            pytest.param({"n": ""}, id="a value of ours is blank"),
            pytest.param({"n": "", "subject": ""}, id="all values of ours are blank"),
            pytest.param({KEYS_MARK: '["n"]'}, id="fewer keys are ours"),
            pytest.param({KEYS_MARK: '["n"]', "subject": None}, id="a key is gone and is ours no longer"),
            pytest.param({KEYS_MARK: '["n","subject","by hand"]'}, id="more keys are ours"),
            pytest.param({KEYS_MARK: "no json"}, id="our keys cannot be read"),
            pytest.param({KEYS_MARK: None}, id="our keys are gone"),
            pytest.param({OWNER_MARK: None}, id="it is not ours"),
            pytest.param({STATE_MARK: None}, id="no state"),
            pytest.param({STATE_MARK: "pending", RUN_MARK: "r"}, id="pending"),
            pytest.param({STATE_MARK: "0" * 64}, id="another state"),
            pytest.param({FILES_MARK: None}, id="no digest of the files"),
            pytest.param({FILES_MARK: "0" * 64}, id="another digest of the files"),
            pytest.param({FINGERPRINT_MARK: None}, id="no fingerprint"),
            pytest.param({FINGERPRINT_MARK: ":"}, id="an empty fingerprint"),
        ],
    )
    def test_metadata_that_were_changed_there(self, changed: dict[str, str | None]) -> None:
        assert not self.is_as_listed(changed_metadata(**changed))

    def test_a_fingerprint_that_was_written_for_another_state(self) -> None:
        """A service that merges metadata keeps it beside a later state."""
        fingerprint = listing().metadata[FINGERPRINT_MARK].partition(":")[0]
        assert not self.is_as_listed(changed_metadata(**{FINGERPRINT_MARK: f"{fingerprint}:{'0' * 64}"}))

    @pytest.mark.parametrize(
        "changed", [{"name": "z.csv"}, {"stated_size": 3}, {"version": "2"}, {"version": None}], ids=str
    )
    def test_files_that_have_changed_here(self, changed: dict[str, Any]) -> None:
        source = with_file(0, **changed)
        assert not source.is_as_listed(listing(), source.fingerprint())

    def test_metadata_that_have_changed_here(self) -> None:
        source = item(texts={"n": "1"})
        assert not source.is_as_listed(listing(), source.fingerprint())


class TestLook:
    def test_makes_what_is_wanted_once(self) -> None:
        source = item()
        wanted = source.look("d", replace(RULES, bucket_id=3))
        assert (wanted.name, wanted.dataset, wanted.sync_id, wanted.bucket_id) == ("run 1", "d", "nightly", 3)
        assert [file.name for file in wanted.files] == ["sub/y.csv", "x.csv"]
        assert wanted.metadata == TEXTS
        assert wanted.fingerprint == source.fingerprint()
        assert source.look("d", RULES) is wanted

    def test_what_is_compared_by_size_has_no_fingerprint(self) -> None:
        wanted = item().look("d", replace(RULES, sizes_only=True))
        assert (wanted.fingerprint, wanted.sizes_only) == (None, True)

    def test_reads_the_sidecar(self) -> None:
        data = b'{"version": 1, "action": "add", "metadata": {"subject": "s18"}}'
        wanted = item(sidecar=LookedAt("ei-metadata.json", data, closed=False)).look("d", RULES)
        assert wanted.metadata == TEXTS | {"subject": "s18"}

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("a\nb.csv", "control character"),
            ("\udcff.csv", "no UTF-8"),
            ("../x.csv", "no relative file name"),
            ("SUB/Y.csv", "names that collide"),
        ],
    )
    def test_names_that_cannot_travel(self, name: str, words: str) -> None:
        with pytest.raises(EdgeImpulseInputError, match=f"^Data item 'run 1': .*{words}"):
            with_file(0, name=name).look("d", RULES)

    @pytest.mark.parametrize("name", ["", " x", "a\tb", "\udcff"])
    def test_a_name_of_an_item_that_cannot_travel(self, name: str) -> None:
        with pytest.raises(EdgeImpulseInputError, match=r"^Data item .*: name"):
            replace(item(), name=name).look("d", RULES)


class TestShards:
    NAMES = [f"vehicle-{number}/{day}" for number in range(40) for day in range(5)] + ["", "é", "\udcff"]

    @pytest.mark.parametrize("count", [1, 2, 3, 8])
    def test_every_item_is_in_exactly_one(self, count: int) -> None:
        shards = Shard.all(count)
        assert [sum(shard.has(name) for shard in shards) for name in self.NAMES] == [1] * len(self.NAMES)
        assert all(any(shard.has(name) for name in self.NAMES) for shard in shards)

    def test_are_the_same_on_every_machine(self) -> None:
        assert [next(s.number for s in Shard.all(8) if s.has(name)) for name in ("a", "b", "c/d", "é")] == [2, 2, 5, 3]
