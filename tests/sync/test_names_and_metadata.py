from __future__ import annotations

import json
from fractions import Fraction
from numbers import Integral
from typing import Any

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.sync import content_types
from airflow_provider_ei.sync.digest import files_digest, item_digest, sha256_of
from airflow_provider_ei.sync.inputs import check_if_exists, want_item, whole_number
from airflow_provider_ei.sync.metadata import (
    Marks,
    carries,
    complete_metadata,
    metadata_texts,
    pending_metadata,
)
from airflow_provider_ei.sync.names import check_collisions, check_file_name, check_text, wire_forms

from .support import MadeUpFile, complete, no_store, pending, sha256, wanted_item


class Whole:
    """A whole number that is no int, as numpy has them."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __int__(self) -> int:
        return self._value

    def __repr__(self) -> str:
        return f"Whole({self._value})"


Integral.register(Whole)


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
            pytest.param("None", "the text None", id="None as text"),
            pytest.param(None, "NoneType", id="None"),
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
        ],
        ids=repr,
    )
    def test_value(self, value: object, text: str) -> None:
        assert metadata_texts({"key": value}) == {"key": text}

    def test_number_is_what_json_writes(self) -> None:
        for number in (0, 1, -1, 0.1, 1e300, 5e-324, 123456789.123):
            assert metadata_texts({"k": number})["k"] == json.dumps(number)

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
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_value_that_is_refused_names_its_key(self, value: object) -> None:
        with pytest.raises(EdgeImpulseInputError, match="the_key"):
            metadata_texts({"good": 1, "the_key": value})

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
            "airflow_ei_",
            "airflow_ei_state",
            "airflow_ei_anything",
        ],
        ids=repr,
    )
    def test_key_that_is_refused(self, key: Any) -> None:
        with pytest.raises(EdgeImpulseInputError, match="key"):
            metadata_texts({key: "x"})

    @pytest.mark.parametrize("key", ["é", "a b", "a.b", "dataItemInfo2", "EI_check", "airflow_ei", "airflow", "ei_x"])
    def test_key_that_is_not(self, key: str) -> None:
        assert metadata_texts({key: "x"}) == {key: "x"}

    @pytest.mark.parametrize("metadata", [[], ["a"], "text", 5, [("a", "b")]], ids=repr)
    def test_no_dict(self, metadata: object) -> None:
        with pytest.raises(EdgeImpulseInputError, match="dict"):
            metadata_texts(metadata)

    def test_none_is_none(self) -> None:
        assert metadata_texts(None) == {}


NOBODYS_MARKS = Marks(ours=False, state=None, run=None, files=None, keys=frozenset(), sync=None, fingerprint=None)


class TestMarks:
    def test_of_someone_else(self) -> None:
        for metadata in (
            {},
            {"a": "1"},
            {"airflow_ei_owner": "x", "airflow_ei_state": "y", "airflow_ei_keys": '["a"]'},
        ):
            assert Marks.of(metadata) == NOBODYS_MARKS
            assert not Marks.of(metadata).complete

    def test_of_a_pending_item(self) -> None:
        marks = Marks.of(pending({"a": "1"}))
        assert (marks.ours, marks.state, marks.complete, marks.files, marks.keys) == (
            True,
            "pending",
            False,
            None,
            {"a"},
        )

    def test_of_a_complete_item(self) -> None:
        item = wanted_item({"1.csv": b"one"}, {"a": "1"}, read=True)
        marks = Marks.of(complete({"1.csv": b"one"}, {"a": "1"}))
        assert (marks.ours, marks.state, marks.complete, marks.files, marks.keys) == (
            True,
            item.digest,
            True,
            item.files_digest,
            {"a"},
        )

    def test_files_of_a_pending_item_do_not_count(self) -> None:
        """A server that merges metadata keeps them from the time before."""
        marks = Marks.of(complete({"1.csv": b"one"}) | pending())
        assert marks.files is None
        assert not marks.complete

    @pytest.mark.parametrize("keys", ["", "rubbish", "{", "5", "null", "true", '"text"', "[1, null, []]", '{"a": 1}'])
    def test_keys_that_someone_has_edited(self, keys: str) -> None:
        marks = Marks.of(pending() | {"airflow_ei_keys": keys})
        assert marks.ours
        assert all(isinstance(key, str) for key in marks.keys)

    def test_all_are_texts_that_metadata_may_carry(self) -> None:
        for metadata in (pending({"é": "1"}), complete({"1.csv": b"one"}, {"é": "1"})):
            assert all(isinstance(key, str) and isinstance(value, str) for key, value in metadata.items())


class TestPendingMetadata:
    def test_new_item_has_the_user_s_at_once(self) -> None:
        metadata = pending_metadata({}, {"a": "1"}, run="r")
        assert metadata["a"] == "1"
        assert metadata["airflow_ei_state"] == "pending"
        assert json.loads(metadata["airflow_ei_keys"]) == ["a"]

    def test_item_that_is_there_keeps_its_own_for_now(self) -> None:
        before = complete({"1.csv": b"one"}, {"a": "1"}) | {"by": "hand"}
        metadata = pending_metadata(before, {"a": "2", "b": "3"}, run="r")
        assert metadata == before | {"airflow_ei_state": "pending", "airflow_ei_run": "r"}

    def test_adopted_item_becomes_ours_and_its_keys_do_not(self) -> None:
        metadata = pending_metadata({"by": "hand"}, {"a": "1"}, run="r")
        assert (metadata["by"], metadata["airflow_ei_owner"]) == ("hand", "airflow-provider-ei")
        assert json.loads(metadata["airflow_ei_keys"]) == []

    def test_what_the_server_injects_is_not_sent_back(self) -> None:
        assert "dataItemInfo" not in pending_metadata({"dataItemInfo": "{}", "by": "hand"}, {}, run="r")


class TestCompleteMetadata:
    def test_keys_of_others_stay(self) -> None:
        metadata = complete_metadata({"by": "hand", "dataItemInfo": "{}"}, {"a": "1"}, state="s", files="f")
        assert metadata == {
            "by": "hand",
            "a": "1",
            "airflow_ei_owner": "airflow-provider-ei",
            "airflow_ei_state": "s",
            "airflow_ei_files": "f",
            "airflow_ei_keys": '["a"]',
        }

    def test_ours_that_are_wanted_no_longer_are_left_out(self) -> None:
        before = complete_metadata({"by": "hand"}, {"a": "1", "b": "2"}, state="old", files="f")
        metadata = complete_metadata(before, {"b": "3"}, state="new", files="f")
        assert "a" not in metadata
        assert (metadata["b"], metadata["by"]) == ("3", "hand")

    def test_and_are_blanked_when_a_merging_server_shows_them_again(self) -> None:
        before = complete_metadata({}, {"a": "1"}, state="old", files="f")
        first = before | complete_metadata(before, {"b": "2"}, state="new", files="f")
        assert first["a"] == "1"
        assert not carries(first, {"b": "2"})
        second = first | complete_metadata(first, {"b": "2"}, state="new", files="f")
        assert second["a"] == ""
        assert carries(second, {"b": "2"})

    def test_a_blanked_key_may_be_wanted_again(self) -> None:
        before = complete_metadata({}, {"a": "1"}, state="1", files="f") | {"a": ""}
        metadata = complete_metadata(before, {"a": "2"}, state="2", files="f")
        assert metadata["a"] == "2"
        assert json.loads(metadata["airflow_ei_keys"]) == ["a"]

    def test_empty_value_that_is_wanted_is_carried(self) -> None:
        metadata = complete_metadata({}, {"a": ""}, state="s", files="f")
        assert carries(metadata, {"a": ""})
        assert not carries({key: value for key, value in metadata.items() if key != "a"}, {"a": ""})

    def test_key_of_someone_else_that_is_wanted_becomes_ours(self) -> None:
        metadata = complete_metadata({"a": "hand"}, {"a": "1"}, state="s", files="f")
        assert metadata["a"] == "1"
        assert Marks.of(metadata).keys == {"a"}


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
            ({"bucket_id": 1, "bucket_name": "b"}, "bucket_id and bucket_name"),
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

    @pytest.mark.parametrize(
        ("value", "number"), [(None, None), ("", None), (5, 5), ("5", 5), (" 5 ", 5), (Whole(5), 5)], ids=repr
    )
    def test_whole_number(self, value: object, number: int | None) -> None:
        assert whole_number("id", value) == number

    @pytest.mark.parametrize("value", [0, -1, "0", "x", 1.0, "1.0", True, [], {}], ids=repr)
    def test_no_whole_number(self, value: object) -> None:
        with pytest.raises(EdgeImpulseInputError, match="the_field"):
            whole_number("the_field", value)

    def test_if_exists(self) -> None:
        for value in ("update", "skip", "fail", "overwrite"):
            assert check_if_exists(value) == value
        for value in ("", None, "Update", ["update"]):
            with pytest.raises(EdgeImpulseInputError, match="update, skip, fail, overwrite"):
                check_if_exists(value)


class NumpyScalar:
    """What numpy's scalars have, without numpy."""

    ndim = 0

    def __init__(self, value: object) -> None:
        self.value = value

    def item(self) -> object:
        return self.value


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (3, "3"), (0.5, "0.5"), ("a", "a")])
def test_scalars_of_numpy(value: object, text: str) -> None:
    assert metadata_texts({"key": NumpyScalar(value)}) == {"key": text}
