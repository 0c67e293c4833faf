from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from numbers import Integral
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from airflow_provider_ei.emulator import EmulatorSettings
from airflow_provider_ei.emulator.name_rules import stored_file_name
from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.sources import content_types
from airflow_provider_ei.sources.names import check_collisions, check_file_name, check_text, wire_forms
from airflow_provider_ei.studio.models import DataFile, DataItem
from airflow_provider_ei.sync.digest import files_digest, item_digest, sha256_of
from airflow_provider_ei.sync.item.conflicts import check_if_exists
from airflow_provider_ei.sync.item.wanted import want_item
from airflow_provider_ei.sync.item_state import ItemState, carries, complete_metadata, pending_metadata
from airflow_provider_ei.sync.metadata import STATE_KEY, metadata_strings
from airflow_provider_ei.sync.stored_names import correspond, names_digest
from tests.support.files import MadeUpFile, no_store, sha256
from tests.support.items import RUN, changed_state, complete, listed_item, pending, wanted_item


class Whole:
    """A whole number that is not an int, like those of numpy."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __int__(self) -> int:
        return self._value

    def __repr__(self) -> str:
        return f"Whole({self._value})"


Integral.register(Whole)


class Site(str, Enum):  # noqa: UP042 - as most people still write it
    NORTH = "north"


class Level(Enum):
    HIGH = 3
    NONE = None
    UNKNOWN = float("nan")


class Ratio(float, Enum):
    HALF = 0.5


#: The same inputs in each run, however fast the machine is.
generated = settings(derandomize=True, database=None, deadline=None)
#: For tests that only some of the generated inputs fit: how many depends on the version of the generator.
generated_and_filtered = settings(generated, suppress_health_check=[HealthCheck.filter_too_much])


class TestNames:
    @pytest.mark.parametrize("name", ["run 1", "é 📈", 'a "b"', "a/b", "50%", "x" * 1000, "a\u00a0b"])
    def test_name_that_can_travel(self, name: str) -> None:
        assert check_text("name", name) == name

    def test_number_from_a_template(self) -> None:
        assert check_text("name", 7) == "7"

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            pytest.param("", "empty", id="empty"),
            pytest.param("None", "the string 'None'", id="None as text"),
            pytest.param(None, "None", id="None"),
            pytest.param(True, "bool", id="bool"),
            pytest.param(1.5, "float", id="float"),
            pytest.param(["a"], "list", id="list"),
            pytest.param(" a", "white space", id="space before"),
            pytest.param("a\n", "white space", id="line break after"),
            pytest.param("a\nb", "control character", id="line break"),
            pytest.param("a\r\nx: y", "control character", id="header"),
            pytest.param("a\0b", "control character", id="NUL"),
            pytest.param("a\x7fb", "control character", id="DEL"),
            pytest.param("a\x85b", "control character", id="C1"),
            pytest.param("a\u2028b", "control character", id="line separator"),
            pytest.param("a\udce9b", "UTF-8", id="lone surrogate"),
        ],
    )
    def test_name_that_cannot(self, value: object, words: str) -> None:
        with pytest.raises(EdgeImpulseInputError, match=words) as caught:
            check_text("dataset", value)
        assert "dataset" in str(caught.value)
        str(caught.value).encode()  # can be logged

    @pytest.mark.parametrize("name", ["a.csv", "a/b/c.csv", "..a", "a..b", "...", " a", "a b"])
    def test_file_name_that_can_travel(self, name: str) -> None:
        assert check_file_name(name, "source") == name

    @pytest.mark.parametrize(
        "name", ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\nb", "a\r", "a\0", "\udcff"]
    )
    def test_file_name_that_cannot(self, name: str) -> None:
        with pytest.raises(EdgeImpulseInputError, match="the-source"):
            check_file_name(name, "the-source")

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            pytest.param("a.csv", "a.csv", id="exactly"),
            pytest.param("é.csv", "e\u0301.csv", id="NFC"),
            pytest.param("A.csv", "a.CSV", id="case"),
            pytest.param("straße", "STRASSE", id="case folding"),
            pytest.param("É", "e\u0301", id="case and NFC"),
            pytest.param('a"b.csv', "a%22b.csv", id="wire form"),
        ],
    )
    def test_names_that_collide(self, first: str, second: str) -> None:
        with pytest.raises(EdgeImpulseInputError) as caught:
            check_collisions([("x", "source-0"), (first, "source-1"), ("y", "source-2"), (second, "source-3")])
        assert "source-1" in str(caught.value)
        assert "source-3" in str(caught.value)

    def test_names_that_do_not_collide(self) -> None:
        check_collisions((name, name) for name in ("a/b", "a_b", "a b", "ab", "a%2Fb", "ä", "a"))

    def test_forms_in_which_a_server_may_list_a_name(self) -> None:
        assert wire_forms("a b") == {"a b"}
        assert wire_forms('é"') == {'é"', "é%22", 'Ã©"', "Ã©%22"}


class TestMetadataTexts:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("text", "text"),
            ("", ""),
            ("a\nb\té📈", "a\nb\té📈"),
            (True, "true"),
            (False, "false"),
            (0, "0"),
            (-7, "-7"),
            (10**30, "1" + "0" * 30),
            (1.5, "1.5"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e-7, "1e-07"),
            (1e22, "1e+22"),
            (-0.0, "-0.0"),
            (Whole(12), "12"),
            (Fraction(1, 4), "0.25"),
            (Decimal("1.10"), "1.10"),
            (Decimal("-0.000000001"), "-0.000000001"),
            (Decimal("1E+3"), "1000"),
            (Decimal(10) ** 30, "1" + "0" * 30),
            (datetime(2026, 1, 15, 8, 30), "2026-01-15T08:30:00"),
            (datetime(2026, 1, 15, 8, 30, 0, 5, tzinfo=UTC), "2026-01-15T08:30:00.000005+00:00"),
            (date(2026, 1, 15), "2026-01-15"),
            (time(8, 30), "08:30:00"),
            (Site.NORTH, "north"),
            (Level.HIGH, "3"),
            (Ratio.HALF, "0.5"),
        ],
        ids=repr,
    )
    def test_value(self, value: object, text: str) -> None:
        assert metadata_strings({"key": value}) == {"key": text}

    def test_number_is_what_json_writes(self) -> None:
        for number in (0, 1, -1, 0.1, 1e300, 5e-324, 123456789.123):
            assert metadata_strings({"k": number})["k"] == json.dumps(number)

    @pytest.mark.parametrize(
        "value",
        [
            None,
            float("nan"),
            float("inf"),
            float("-inf"),
            {"a": 1},
            ["a"],
            ("a",),
            {"a"},
            b"bytes",
            1j,
            object(),
            "a\0b",
            "\udce9",
            Fraction(10**400),
            Decimal("NaN"),
            Decimal("sNaN"),
            Decimal("-Infinity"),
            Level.NONE,
            Level.UNKNOWN,
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_value_that_is_refused_names_its_key(self, value: object) -> None:
        with pytest.raises(EdgeImpulseInputError, match="the_key"):
            metadata_strings({"good": 1, "the_key": value})

    @pytest.mark.parametrize(
        "value",
        [float("nan"), float("inf"), float("-inf"), Decimal("NaN"), Decimal("Infinity"), Fraction(10**400)],
        ids=repr,
    )
    def test_number_that_is_none_is_refused_with_the_way_out(self, value: object) -> None:
        with pytest.raises(EdgeImpulseInputError, match="NaN and infinity are not allowed: leave the key out"):
            metadata_strings({"k": value})

    @generated
    @given(st.decimals(allow_nan=False, allow_infinity=False))
    def test_decimal_is_written_in_plain_digits_and_without_loss(self, value: Decimal) -> None:
        text = metadata_strings({"k": value})["k"]
        assert "E" not in text.upper()
        assert Decimal(text) == value

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "  ",
            1,
            None,
            ("a",),
            "a\nb",
            "a\0",
            "\udce9",
            "dataItemInfo",
            "ei_check",
            "ei_check_1",
            "airflow_ei",
            "airflow_ei_",
            "airflow_ei_state",
            "airflow_ei_anything",
        ],
        ids=repr,
    )
    def test_key_that_is_refused(self, key: Any) -> None:
        with pytest.raises(EdgeImpulseInputError, match="key"):
            metadata_strings({key: "x"})

    @pytest.mark.parametrize("key", ["é", "a b", "a.b", "dataItemInfo2", "EI_check", "airflow_e", "airflow", "ei_x"])
    def test_key_that_is_not(self, key: str) -> None:
        assert metadata_strings({key: "x"}) == {key: "x"}

    @pytest.mark.parametrize("metadata", [[], ["a"], "text", 5, [("a", "b")]], ids=repr)
    def test_no_dict(self, metadata: object) -> None:
        with pytest.raises(EdgeImpulseInputError, match="dict"):
            metadata_strings(metadata)

    def test_none_is_none(self) -> None:
        assert metadata_strings(None) == {}


def parsed(text: str) -> ItemState | None:
    """What the listing of an item with that text in our key says of it."""
    return ItemState.of(listed_item({"1.csv": b"one"}, {STATE_KEY: text}))


def stated(**changes: Any) -> str:
    """The text of a complete item's state, with other facts in it."""
    return changed_state(complete({"1.csv": b"one"}), **changes)[STATE_KEY]


def upload_state(state: Any = "pending", **more: Any) -> ItemState:
    """The state that an upload writes."""
    digests = {"digest": "s", "files": "f"} if state == "complete" else {}
    return ItemState("run 1", "d", state, "r", **(digests | more))


def keys_of(metadata: Mapping[str, str]) -> list[str]:
    keys: list[str] = json.loads(metadata[STATE_KEY])["keys"]
    return keys


def facts_of(metadata: Mapping[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(metadata[STATE_KEY])
    return facts


ANY_STRING = st.text(max_size=30)
MAYBE = st.none() | ANY_STRING


class TestItemState:
    """What is read of an item is what was written for that item, and nothing else."""

    @pytest.mark.parametrize("metadata", [{}, {"a": "1"}, {"airflow_ei_owner": "x", "airflow_ei_state": "y"}], ids=str)
    def test_an_item_without_our_key_has_no_state(self, metadata: dict[str, str]) -> None:
        assert ItemState.of(listed_item({}, metadata)) is None

    def test_a_pending_item_says_who_is_uploading_it(self) -> None:
        state = ItemState.of(listed_item({}, pending({"a": "1"}, sync="nightly", origin="dag.task#3")))
        assert state == ItemState("run 1", "d", "pending", RUN, frozenset({"a"}), sync="nightly", origin="dag.task#3")
        assert not state.complete

    def test_a_complete_item_says_what_it_holds(self) -> None:
        item = wanted_item({"1.csv": b"one"}, {"a": "1"}, read=True)
        state = ItemState.of(listed_item({"1.csv": b"one"}, complete({"1.csv": b"one"}, {"a": "1"}, run="r")))
        assert state == ItemState(
            "run 1", "d", "complete", "r", frozenset({"a"}), digest=item.digest, files=item.files_digest
        )
        assert state.complete

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "rubbish",
            "{",
            "5",
            "null",
            "true",
            '"text"',
            "[]",
            "{}",
            "[" * 100_000,
            '{"version":1}',
            stated()[:-1],
            stated() + "}",
            f"[{stated()}]",
        ],
        ids=lambda text: repr(text[:20]),
    )
    def test_garbage_is_no_state(self, text: str) -> None:
        assert parsed(text) is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"version": 2},
            {"version": None},
            {"version": "1"},
            {"version": [1]},
            {"state": None},
            {"state": "done"},
            {"state": ["complete"]},
            {"name": None},
            {"name": 1},
            {"dataset": None},
            {"dataset": ["d"]},
            {"keys": None},
            {"keys": "a"},
            {"keys": {"a": 1}},
            {"digest": None},
            {"digest": 5},
            {"files": None},
            {"files": ["x"]},
            {"run": 7},
            {"sync": {"id": "nightly"}},
            {"fingerprint": 1.5},
            {"origin": True},
            {"stored_name": 1},
            {"stored_dataset": []},
            {"stored_files": 0},
        ],
        ids=str,
    )
    def test_a_state_of_another_form_or_version_is_none(self, changes: dict[str, Any]) -> None:
        assert parsed(stated()) is not None
        assert parsed(stated(**changes)) is None

    @generated
    @given(
        value=st.recursive(
            st.none() | st.booleans() | st.integers() | ANY_STRING,
            lambda v: st.lists(v) | st.dictionaries(ANY_STRING, v),
        )
    )
    def test_any_json_is_read_without_an_error(self, value: object) -> None:
        assert parsed(json.dumps(value)) is None

    @generated
    @given(
        field=st.sampled_from(sorted(facts_of(complete({"x": b"1"}, sync="s")))),
        value=st.none() | st.integers() | ANY_STRING | st.lists(ANY_STRING),
    )
    def test_any_fact_may_be_edited_without_an_error(self, field: str, value: object) -> None:
        state = parsed(stated(**{field: value}))
        assert state is None or (state.name, state.dataset) == ("run 1", "d")

    @pytest.mark.parametrize("keys", [[1, None, []], ["a", 1, {"b": 2}]], ids=str)
    def test_of_edited_keys_only_strings_count(self, keys: list[Any]) -> None:
        state = parsed(stated(keys=keys))
        assert state is not None
        assert state.keys == {key for key in keys if isinstance(key, str)}

    @generated
    @given(
        name=ANY_STRING,
        dataset=ANY_STRING,
        complete=st.booleans(),
        keys=st.frozensets(ANY_STRING, max_size=4),
        facts=st.fixed_dictionaries({name: MAYBE for name in ("run", "sync", "fingerprint", "origin", "stored_files")}),
        digests=st.tuples(ANY_STRING, ANY_STRING),
        stored=st.tuples(MAYBE, MAYBE),
    )
    def test_any_state_that_is_written_is_read_back(
        self,
        name: str,
        dataset: str,
        complete: bool,
        keys: frozenset[str],
        facts: dict[str, str | None],
        digests: tuple[str, str],
        stored: tuple[str | None, str | None],
    ) -> None:
        digest, files = digests if complete else (None, None)
        # The service never stores an empty name, and a name is remembered where it is another one.
        stored_name, stored_dataset = (other or None for other in stored)
        state = ItemState(
            name,
            dataset,
            "complete" if complete else "pending",
            keys=keys,
            digest=digest,
            files=files,
            stored_name=None if stored_name == name else stored_name,
            stored_dataset=None if stored_dataset == dataset else stored_dataset,
            **facts,
        )
        listed = listed_item({}, {STATE_KEY: state.text()})
        place = {"name": stored_name or name, "dataset": stored_dataset or dataset}
        item = structs.replace(listed, **place)
        assert ItemState.of(item) == state
        assert ItemState.certain(item) == state
        assert state.stored_as(item, state.stored_files) == state

    @generated
    @given(name=ANY_STRING, dataset=ANY_STRING)
    def test_a_text_is_the_same_wherever_it_is_written(self, name: str, dataset: str) -> None:
        state = ItemState(name, dataset, "pending", keys=frozenset("abc"))
        again = ItemState(name, dataset, "pending", keys=frozenset("cba"))
        assert (
            state.text()
            == again.text()
            == json.dumps(
                {"dataset": dataset, "keys": ["a", "b", "c"], "name": name, "state": "pending", "version": 1},
                ensure_ascii=False,
                separators=(",", ":"),
            )
        )

    def test_it_is_one_key_whose_value_is_a_string(self) -> None:
        for metadata in (pending({"é": "1"}), complete({"1.csv": b"one"}, {"é": "1"})):
            assert metadata.keys() == {"é", STATE_KEY}
            assert all(isinstance(value, str) for value in metadata.values())


class TestOwnership:
    """A state counts on the item for which it was written, and nowhere else."""

    def listed(self, name: str = "run 1", dataset: str = "d", **facts: Any) -> DataItem:
        item = listed_item({"1.csv": b"one"}, complete({"1.csv": b"one"}, **facts))
        return structs.replace(item, name=name, dataset=dataset)

    @pytest.mark.parametrize(
        "place", [{"name": "run 1 good"}, {"name": "RUN 1"}, {"dataset": "archive"}, {"dataset": "D"}], ids=str
    )
    def test_a_renamed_or_moved_item_and_one_with_copied_metadata_are_not_ours(self, place: dict[str, str]) -> None:
        """All three look alike: a state that was written for another name."""
        item = self.listed(**place)
        assert ItemState.of(item) is None
        assert ItemState.certain(item) is None

    @pytest.mark.parametrize(
        ("asked", "there"),
        [("cafe\u0301", "café"), (" a", "a"), ("a  b", "a b"), ("a\u00a0b", "a b")],
    )
    def test_another_spelling_of_the_name_counts_but_not_for_what_cannot_be_undone(
        self, asked: str, there: str
    ) -> None:
        for item in (self.spelled(asked, there), self.spelled(asked, there, "dataset")):
            assert ItemState.of(item) is not None
            assert ItemState.certain(item) is None

    def spelled(self, asked: str, there: str, field: str = "name") -> DataItem:
        metadata = complete({"1.csv": b"one"}, **{field: asked})
        return structs.replace(listed_item({"1.csv": b"one"}, metadata), **{field: there})

    def test_the_spelling_that_the_service_is_known_to_use_is_certain(self) -> None:
        item = self.spelled("cafe\u0301", "café")
        state = ItemState.of(item)
        assert state is not None
        metadata = {STATE_KEY: state.stored_as(item, None).text()}
        known = structs.replace(item, metadata=metadata)
        assert ItemState.certain(known) is not None
        # Whoever has given it the name that was asked for has renamed it.
        renamed = structs.replace(known, name="cafe\u0301")
        assert ItemState.of(renamed) is None
        assert ItemState.certain(renamed) is None

    @pytest.mark.parametrize("name", ["run 1", "run_1", ""])
    def test_what_this_run_has_made_is_known_by_its_run(self, name: str) -> None:
        item = structs.replace(self.listed(run="r"), name=name)
        assert ItemState.written_by(item, "r") is not None
        assert ItemState.written_by(item, "another run") is None


class TestPendingMetadata:
    def test_new_item_has_the_users_metadata_at_once(self) -> None:
        metadata = pending_metadata(None, {"a": "1"}, upload_state())
        assert metadata["a"] == "1"
        assert facts_of(metadata)["state"] == "pending"
        assert keys_of(metadata) == ["a"]

    def test_item_that_is_there_keeps_its_own_for_now(self) -> None:
        before = complete({"1.csv": b"one"}, {"a": "1"}) | {"by": "hand"}
        metadata = pending_metadata(listed_item({}, before), {"a": "2", "b": "3"}, upload_state())
        assert {key: value for key, value in metadata.items() if key != STATE_KEY} == {"a": "1", "by": "hand"}
        facts = facts_of(metadata)
        assert (facts["state"], facts["run"], facts["keys"]) == ("pending", "r", ["a"])

    def test_a_pending_item_says_nothing_about_a_content(self) -> None:
        before = listed_item({}, complete({"1.csv": b"one"}, fingerprint="x", stored_files="y"))
        metadata = pending_metadata(before, {}, upload_state())
        assert facts_of(metadata).keys() == {"version", "name", "dataset", "state", "run", "keys"}

    def test_adopted_item_becomes_ours_and_its_keys_do_not(self) -> None:
        metadata = pending_metadata(listed_item({}, {"by": "hand"}), {"a": "1"}, upload_state())
        assert metadata["by"] == "hand"
        assert ItemState.of(listed_item({}, metadata)) is not None
        assert keys_of(metadata) == []

    def test_a_copied_state_does_not_make_the_keys_ours(self) -> None:
        """They are those of another item, and a person has given them to this one."""
        before = complete({"1.csv": b"one"}, {"subject": "s17"}, name="run 2")
        metadata = pending_metadata(listed_item({}, before), {}, upload_state())
        assert (metadata["subject"], keys_of(metadata)) == ("s17", [])

    def test_what_the_server_injects_is_not_sent_back(self) -> None:
        before = listed_item({}, {"dataItemInfo": "{}", "by": "hand"})
        assert "dataItemInfo" not in pending_metadata(before, {}, upload_state())


class TestCompleteMetadata:
    def write(self, before: Mapping[str, str], wanted: Mapping[str, str], **more: Any) -> dict[str, str]:
        return complete_metadata(listed_item({}, before), wanted, upload_state("complete", **more))

    def test_keys_of_others_stay(self) -> None:
        metadata = self.write({"by": "hand", "dataItemInfo": "{}"}, {"a": "1"})
        assert metadata.keys() == {"by", "a", STATE_KEY}
        assert (metadata["by"], metadata["a"]) == ("hand", "1")
        assert facts_of(metadata) == {
            "version": 1,
            "name": "run 1",
            "dataset": "d",
            "state": "complete",
            "run": "r",
            "digest": "s",
            "files": "f",
            "keys": ["a"],
        }

    def test_ours_that_are_wanted_no_longer_are_left_out(self) -> None:
        before = self.write({"by": "hand"}, {"a": "1", "b": "2"}, digest="old")
        metadata = self.write(before, {"b": "3"}, digest="new")
        assert "a" not in metadata
        assert (metadata["b"], metadata["by"]) == ("3", "hand")

    def test_and_are_blanked_when_a_merging_server_shows_them_again(self) -> None:
        before = self.write({}, {"a": "1"}, digest="old")
        first = before | self.write(before, {"b": "2"}, digest="new")
        assert first["a"] == "1"
        assert not carries(listed_item({}, first), {"b": "2"})
        second = first | self.write(first, {"b": "2"}, digest="new")
        assert second["a"] == ""
        assert carries(listed_item({}, second), {"b": "2"})

    def test_a_blanked_key_may_be_wanted_again(self) -> None:
        before = self.write({}, {"a": "1"}, digest="1") | {"a": ""}
        metadata = self.write(before, {"a": "2"}, digest="2")
        assert metadata["a"] == "2"
        assert keys_of(metadata) == ["a"]

    def test_empty_value_that_is_wanted_is_carried(self) -> None:
        metadata = self.write({}, {"a": ""})
        assert carries(listed_item({}, metadata), {"a": ""})
        assert not carries(listed_item({}, {STATE_KEY: metadata[STATE_KEY]}), {"a": ""})

    def test_key_of_someone_else_that_is_wanted_becomes_ours(self) -> None:
        metadata = self.write({"a": "hand"}, {"a": "1"})
        assert metadata["a"] == "1"
        assert keys_of(metadata) == ["a"]

    def test_keys_of_a_copied_state_stay_as_somebodys(self) -> None:
        before = complete({"1.csv": b"one"}, {"subject": "s17"}, name="run 2")
        metadata = self.write(before, {"a": "1"})
        assert (metadata["subject"], keys_of(metadata)) == ("s17", ["a"])

    @generated
    @given(
        others=st.dictionaries(
            ANY_STRING.filter(lambda key: key not in ("airflow_ei", "dataItemInfo")), ANY_STRING, max_size=3
        ),
        generations=st.lists(st.dictionaries(st.sampled_from("abc"), ANY_STRING, max_size=3), min_size=1, max_size=5),
        merges=st.booleans(),
    )
    def test_whatever_was_written_before_the_item_carries_what_is_wanted_and_all_of_others(
        self, others: dict[str, str], generations: list[dict[str, str]], merges: bool
    ) -> None:
        """On a service that replaces metadata as on one that merges them, where the second time is the last."""
        others = {key: value for key, value in others.items() if key not in "abc"}
        there: dict[str, str] = dict(others)
        for number, wanted in enumerate(generations):
            for _ in range(2):
                new = self.write(there, wanted, digest=f"{number}")
                there = there | new if merges else new
            item = listed_item({}, there)
            assert carries(item, wanted)
            assert {key: there[key] for key in others} == others
            assert {key for key in "abc" if there.get(key)} == {key for key, value in wanted.items() if value}


def files_of(names: Iterable[str]) -> dict[str, int]:
    """Sizes by name, each another one."""
    return {name: number + 1 for number, name in enumerate(names)}


def stored_by(service: EmulatorSettings, wanted: Mapping[str, int]) -> tuple[list[DataFile], dict[str, str]]:
    """What a service makes of the files, in the order in which they are sent; and the stored names by the wanted ones.

    Of two that get one name, the later stays; one without a name is dropped.
    """
    forms = {name: stored_file_name(name.replace('"', "%22").encode(), service) for name in wanted}
    sizes = {form: wanted[name] for name, form in forms.items() if form}
    return [DataFile(name=form, size=size) for form, size in sizes.items()], forms


SERVICES = st.fixed_dictionaries(
    {
        "file_folders": st.sampled_from(["keep", "drop"]),
        "file_names": st.sampled_from(["utf8", "latin1"]),
        "file_quotes": st.sampled_from(["keep", "decode"]),
        "trailing_backslash": st.sampled_from(["keep", "drop_file"]),
        "name_form": st.sampled_from(["raw", "nfc", "trim", "collapse"]),
    }
).map(lambda switches: EmulatorSettings(**switches))

#: Steps of names that services treat in their own ways: accents, composed or not; quotes, escapes, blanks, backslashes.
STEPS = st.text(st.sampled_from('abé\u0301e"% 2\\測'), min_size=1, max_size=4) | st.sampled_from(
    ["x.csv", "%22", '"', " x", "x ", "a  b", "a\u00a0b", "x\\", "left\\x.csv", "e\u0301", "é"]
)


def can_be_sent(names: Sequence[str]) -> bool:
    """Whether these names are allowed in one item."""
    try:
        check_collisions((name, name) for name in names)
        return all(check_file_name(name, name) for name in names)
    except EdgeImpulseInputError:
        return False


NAMES = st.lists(st.lists(STEPS, min_size=1, max_size=3).map("/".join), min_size=1, max_size=5).filter(can_be_sent)


class TestStoredNames:
    """Files are recognized under the names that a service has made of theirs, as long as none was lost by it."""

    @pytest.mark.parametrize(
        ("switches", "names"),
        [
            ({"file_folders": "drop"}, ["left/x.csv", "right/y.csv", "z.csv"]),
            ({"file_folders": "drop"}, ["left\\x.csv", "y.csv"]),
            ({"file_folders": "drop", "file_names": "latin1"}, ["é/é.csv", "ü/ü.csv"]),
            ({"file_names": "latin1"}, ["é.csv", "測定 📈.csv", "x.csv"]),
            ({"file_quotes": "keep"}, ['a"b.csv', "x.csv"]),
            ({"file_quotes": "decode"}, ["a%22b.csv", "100%25.csv"]),
            ({"name_form": "nfc"}, ["e\u0301.csv", "x.csv"]),
            ({"name_form": "nfc", "file_folders": "drop"}, ["a/e\u0301.csv", "b/x.csv"]),
            ({"name_form": "trim"}, [" x.csv", "y.csv "]),
            ({"name_form": "collapse"}, [" a  b.csv", "a\u00a0c.csv"]),
            ({"name_form": "trim", "file_names": "latin1", "file_quotes": "keep"}, [' é".csv']),
            ({"file_names": "latin1"}, ["aé.csv", "sub/aé.csv"]),
            ({"name_form": "nfc"}, ["ae\u0301.csv", "sub/ae\u0301.csv"]),
            ({"file_quotes": "keep"}, ['a".csv', 'sub/a".csv']),
            ({"name_form": "trim"}, ["a ", "sub/a "]),
        ],
        ids=str,
    )
    def test_each_way_to_store_names_is_recognized(self, switches: dict[str, Any], names: list[str]) -> None:
        wanted = files_of(names)
        listed, forms = stored_by(EmulatorSettings(**switches), wanted)
        found = correspond(wanted, listed)
        assert found.names == {form: name for name, form in forms.items()}
        assert found.one_to_one
        assert not found.exact

    @generated_and_filtered
    @given(service=SERVICES, names=NAMES, same_sizes=st.booleans())
    def test_names_that_stay_apart_correspond_one_to_one(
        self, service: EmulatorSettings, names: list[str], same_sizes: bool
    ) -> None:
        wanted = dict.fromkeys(names, 7) if same_sizes else files_of(names)
        listed, forms = stored_by(service, wanted)
        assume(len(set(forms.values())) == len(names) and "" not in forms.values())
        found = correspond(wanted, listed)
        assert found.names == {form: name for name, form in forms.items()}
        assert found.one_to_one
        assert found.exact == all(form == name for name, form in forms.items())

    @generated_and_filtered
    @given(service=SERVICES, names=NAMES, same_sizes=st.booleans())
    def test_a_file_that_is_lost_is_never_taken_for_there(
        self, service: EmulatorSettings, names: list[str], same_sizes: bool
    ) -> None:
        wanted = dict.fromkeys(names, 7) if same_sizes else files_of(names)
        listed, _ = stored_by(service, wanted)
        assume(len(listed) < len(names))
        found = correspond(wanted, listed)
        assert not found.one_to_one
        assert found.missing or found.merged

    @generated
    @given(names=NAMES, listed=NAMES, sizes=st.lists(st.integers(0, 2), min_size=5, max_size=5))
    def test_no_file_is_taken_twice_and_none_is_forgotten(
        self, names: list[str], listed: list[str], sizes: list[int]
    ) -> None:
        found = correspond(
            dict(zip(names, sizes, strict=False)),
            [DataFile(name=name, size=size) for name, size in zip(listed, reversed(sizes), strict=False)],
        )
        merged = [name for group in found.merged.values() for name in group]
        assert len(set(found.names.values())) == len(found.names)
        assert {*found.names.values(), *found.missing, *merged} == set(names)
        assert {*found.names, *found.strangers, *found.merged} == set(listed)
        assert not {*found.names, *found.merged}.intersection(found.strangers)
        assert not {*found.names.values(), *merged}.intersection(found.missing)
        assert found.one_to_one == (len(found.names) == len(names) == len(listed))

    @pytest.mark.parametrize(
        ("names", "form", "group"),
        [
            (["a/x", "b/x"], "x", ["a/x", "b/x"]),
            (["x", "b/x"], "x", ["x", "b/x"]),
            (["x", " x", "x "], "x", ["x", " x", "x "]),
            (["a  b", "a b"], "a b", ["a b", "a  b"]),
            (["p\\x", "q\\x"], "x", ["p\\x", "q\\x"]),
        ],
    )
    def test_files_that_became_one_are_told_with_the_name_that_it_has(
        self, names: list[str], form: str, group: list[str]
    ) -> None:
        wanted = files_of([*names, "other"])
        found = correspond(wanted, [DataFile(name=form, size=1), DataFile(name="other", size=len(wanted))])
        assert {one: sorted(several) for one, several in found.merged.items()} == {form: sorted(group)}
        assert (found.missing, found.strangers) == ([], [])

    def test_a_file_that_was_dropped_is_missing(self) -> None:
        found = correspond({"x\\": 1, "y": 1}, [DataFile(name="y", size=1)])
        assert (found.missing, dict(found.merged)) == (["x\\"], {})

    def test_an_older_spelling_beside_the_new_one_is_a_stranger(self) -> None:
        found = correspond({"é": 1}, [DataFile(name="é", size=1), DataFile(name="Ã©", size=1)])
        assert (found.names, found.strangers) == ({"é": "é"}, ["Ã©"])

    def test_of_two_spellings_the_one_of_the_size_that_was_sent_is_taken(self) -> None:
        listed = [DataFile(name="Ã©", size=9), DataFile(name="e\u0301", size=1)]
        for files in (listed, listed[::-1]):
            found = correspond({"é": 1}, files)
            assert (found.names, found.strangers) == ({"e\u0301": "é"}, ["Ã©"])

    def test_a_name_that_no_service_makes_of_it_is_a_stranger(self) -> None:
        for stranger in ("X.csv", "x", "1-x.csv", "a_x.csv", "a-x.csv"):
            found = correspond({"a/x.csv": 1}, [DataFile(name=stranger, size=1)])
            assert (found.strangers, found.missing) == ([stranger], ["a/x.csv"])

    def test_the_digest_of_names_does_not_depend_on_their_order(self) -> None:
        assert names_digest(["a", "é"]) == names_digest(["é", "a"])
        assert names_digest(["a", "b"]) != names_digest(["ab"]) != names_digest([])


class TestDigest:
    """A change of these values would make all items out there look changed: it needs a new scheme number."""

    FILES = {"raw.csv": (8, sha256(b"t,x\n0,1\n")), "é/notes.txt": (0, sha256(b""))}

    def test_is_stable(self) -> None:
        files = files_digest(self.FILES)
        of_item = item_digest(files, {"machine": "pump 7", "größe": "5"})
        assert files == "4650e618faf49705e1d6228c9b99dde32fee7a1440a77d48f1ceff8eaabc8c94"
        assert of_item == "7f71038eef37d1b68480a1dab10feb1226f465b689beb27b61261e1f84c721b2"

    def test_of_a_wanted_item_is_the_same(self) -> None:
        item = wanted_item(
            {"raw.csv": b"t,x\n0,1\n", "é/notes.txt": b""}, {"machine": "pump 7", "größe": "5"}, read=True
        )
        assert item.files_digest == files_digest(self.FILES)
        assert item.digest == item_digest(item.files_digest, {"größe": "5", "machine": "pump 7"})

    def test_order_does_not_matter(self) -> None:
        backwards = dict(reversed(self.FILES.items()))
        assert files_digest(backwards) == files_digest(self.FILES)
        assert item_digest("f", {"b": "2", "a": "1"}) == item_digest("f", {"a": "1", "b": "2"})

    @pytest.mark.parametrize(
        "files",
        [
            {"raw.csv": FILES["raw.csv"]},
            FILES | {"more.csv": (0, sha256(b""))},
            FILES | {"raw.csv": (9, FILES["raw.csv"][1])},
            FILES | {"raw.csv": (8, sha256(b"other"))},
            {"RAW.csv": FILES["raw.csv"], "é/notes.txt": FILES["é/notes.txt"]},
        ],
        ids=["one less", "one more", "size", "bytes", "name"],
    )
    def test_files_matter(self, files: dict[str, tuple[int, str]]) -> None:
        assert files_digest(files) != files_digest(self.FILES)

    @pytest.mark.parametrize("metadata", [{}, {"a": "2"}, {"b": "1"}, {"a": "1", "b": ""}, {"a": "1 "}], ids=str)
    def test_metadata_matters(self, metadata: dict[str, str]) -> None:
        assert item_digest("f", metadata) != item_digest("f", {"a": "1"})

    def test_content_types_and_sources_do_not_matter(self) -> None:
        one, other = MadeUpFile("1.csv", b"x", "text/csv"), MadeUpFile("1.csv", b"x", "text/plain")
        assert wanted_item([one], read=True).digest == wanted_item([other], read=True).digest

    @pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 3 * 1024 * 1024 + 1])
    def test_of_one_file(self, size: int) -> None:
        data = bytes(range(256)) * (size // 256 + 1)
        file = MadeUpFile("x", data[:size])
        assert sha256_of(file) == sha256(data[:size])


class TestContentTypes:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("a.csv", "text/csv"),
            ("a.CSV", "text/csv"),
            ("a b/é.wav", "audio/wav"),
            ("a.json", "application/json"),
            ("a.cbor", "application/cbor"),
            ("a.parquet", "application/vnd.apache.parquet"),
            ("a.png", "image/png"),
            ("a.jpg", "image/jpeg"),
            ("a.txt", "text/plain"),
            ("a.csv.gz", "application/gzip"),
            ("a.tar.gz", "application/gzip"),
            ("a.bz2", "application/x-bzip2"),
            ("a", "application/octet-stream"),
            ("a.unknown", "application/octet-stream"),
            ("csv", "application/octet-stream"),
            (".csv", "application/octet-stream"),
            ("day.1/csv", "application/octet-stream"),
            ("run.2.wav", "audio/wav"),
            ("data:text/html,x.csv", "text/csv"),
        ],
    )
    def test_guess(self, name: str, kind: str) -> None:
        assert content_types.guess(name) == kind

    @pytest.mark.parametrize(
        "value", ["text/csv", "text/csv; charset=utf-8", 'text/x; a="b c"', "application/vnd.a+json", "a/b;c=d;e=f"]
    )
    def test_one_that_is_given(self, value: str) -> None:
        assert content_types.check(value, "x") == value

    @pytest.mark.parametrize(
        "value",
        ["", "csv", "text/", "/csv", "text/csv\r\nX: y", "text/csv\n", "text /csv", "tëxt/csv", 5, None, b"a/b"],
    )
    def test_one_that_is_none(self, value: object) -> None:
        with pytest.raises(EdgeImpulseInputError, match="the-source"):
            content_types.check(value, "the-source")


class TestInputs:
    def want(self, **changed: Any) -> Any:
        given: dict[str, Any] = {
            "name": "run 1",
            "dataset": "d",
            "files": __file__,
            "metadata": None,
            "bucket_name": None,
            "bucket_id": None,
            "bucket_path": None,
        }
        return want_item(**(given | changed), open_store=no_store)

    def test_all_given(self) -> None:
        item = self.want(metadata='{"a": true}', bucket_name="b", bucket_path="p/q")
        assert (item.name, item.dataset, item.metadata) == ("run 1", "d", {"a": "true"})
        assert (item.bucket_name, item.bucket_id, item.bucket_path) == ("b", None, "p/q")
        assert [file.source for file in item.files] == [__file__]

    def test_empty_texts_of_a_template_mean_none(self) -> None:
        item = self.want(bucket_name="", bucket_id="", bucket_path="")
        assert (item.bucket_name, item.bucket_id, item.bucket_path) == (None, None, None)

    @pytest.mark.parametrize("metadata", ['{"a": true, "b": 1.5}', "{'a': True, 'b': 1.5}"], ids=["JSON", "Python"])
    def test_metadata_as_text(self, metadata: str) -> None:
        assert self.want(metadata=metadata).metadata == {"a": "true", "b": "1.5"}

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"name": ""}, "name"),
            ({"dataset": None}, "dataset"),
            ({"metadata": {"a": None}}, r"metadata\['a'\]"),
            ({"metadata": "text"}, "metadata"),
            ({"files": "/no/such/file"}, "/no/such/file"),
            ({"bucket_id": 1, "bucket_name": "b"}, "Give bucket_id or bucket_name"),
            ({"bucket_id": "x"}, "bucket_id"),
            ({"bucket_path": " p"}, "bucket_path"),
            ({"bucket_name": 1.5}, "bucket_name"),
        ],
        ids=str,
    )
    def test_what_is_refused_is_named(self, changed: dict[str, Any], words: str) -> None:
        with pytest.raises(EdgeImpulseInputError, match=words) as caught:
            self.want(**changed)
        if "name" not in changed:
            assert "'run 1'" in str(caught.value)

    def test_if_exists(self) -> None:
        for value in ("update", "skip", "fail", "overwrite"):
            assert check_if_exists(value) == value
        for value in ("", None, "Update", ["update"]):
            with pytest.raises(EdgeImpulseInputError, match="update, skip, fail, overwrite"):
                check_if_exists(value)


class Column(str, Enum):  # noqa: UP042 - StrEnum is told by str() already
    TIME = "t.csv"


class Answer(int, Enum):
    YES = 42


class Loud(str):
    def __str__(self) -> str:
        return "not what it is"


@pytest.mark.parametrize(
    ("given", "text"), [(Column.TIME, "t.csv"), (Answer.YES, "42"), (Loud("t.csv"), "t.csv"), (7, "7")]
)
def test_names_are_plain_texts(given: Any, text: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    item = want_item(
        name=given,
        dataset=given,
        files=[{"path": str(tmp_path / "a"), "name": given}],
        metadata={},
        bucket_name=None,
        bucket_id=None,
        bucket_path=given,
        open_store=no_store,
    )
    for found in (item.name, item.dataset, item.bucket_path, item.files[0].name):
        assert (type(found), found) == (str, text)


@pytest.mark.parametrize(
    "value",
    [
        10**1000,
        -(10**5000),
        Decimal("1e1000"),
        Decimal("-1e999999"),
        Decimal("1e-999999"),
        Decimal("0e-999999"),
        Decimal("0e999999"),
        Fraction(10**5000),
        Fraction(1, 10**5000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_numbers_of_a_thousand_digits_are_refused(value: Any) -> None:
    with pytest.raises(EdgeImpulseInputError, match=r"metadata\['key'\].*1,000 digits"):
        metadata_strings({"key": value})
    with pytest.raises(EdgeImpulseInputError):
        check_text("name", value)


class NumpyScalar:
    """What numpy's scalars have, without numpy."""

    ndim = 0

    def __init__(self, value: object) -> None:
        self.value = value

    def item(self) -> object:
        return self.value


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (3, "3"), (0.5, "0.5"), ("a", "a")])
def test_scalars_of_numpy(value: object, text: str) -> None:
    assert metadata_strings({"key": NumpyScalar(value)}) == {"key": text}


class NumpyTime(NumpyScalar):
    """What numpy's points and spans of time have: their item is a number of nanoseconds."""

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(1767323045123456789)
        self.text = text
        self.dtype = SimpleNamespace(kind=kind)

    def __str__(self) -> str:
        return self.text


def test_points_in_time_of_numpy_are_their_iso_form() -> None:
    moment = NumpyTime("2026-01-02T03:04:05.123456789", "M")
    assert metadata_strings({"key": moment}) == {"key": "2026-01-02T03:04:05.123456789"}


@pytest.mark.parametrize("value", [NumpyTime("NaT", "M"), NumpyTime("5 seconds", "m")], ids=str)
def test_no_time_and_spans_of_time_of_numpy_are_refused(value: object) -> None:
    with pytest.raises(EdgeImpulseInputError, match=r"metadata\['key'\]"):
        metadata_strings({"key": value})
