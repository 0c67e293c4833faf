"""The ``files`` argument in every form, and what is refused before any file is looked up."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections import UserList
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_ei.sources.file_specs import parse_file_specs
from airflow_provider_ei.sources.literals import parse_literal
from airflow_provider_ei.sources.local import LocalFile

from .found import refusal, sources

Tree = Callable[..., Path]


class TestForms:
    def test_nested_lists_and_tuples_are_flattened(self, write_tree: Tree) -> None:
        tree = write_tree({"a.csv": b"1", "b.csv": b"2", "s/c.csv": b"3", "d.txt": b"4"})
        given = [str(tree / "a.csv"), [tree / "b.csv", ({"path": tree / "d.txt", "name": "e.txt"},)], (tree / "s",), []]
        assert list(sources(given)) == ["a.csv", "b.csv", "c.csv", "e.txt"]

    @pytest.mark.parametrize(
        "text",
        [
            '["{0}/a.csv", {{"path": "{0}/b.csv", "name": "c.csv"}}]',
            "['{0}/a.csv', {{'path': '{0}/b.csv', 'name': 'c.csv'}}]",
            ' \n["{0}/a.csv", ["{0}/c.csv"]]\n',
            "['{0}/a.csv', ('{0}/c.csv',)]",
            "['{0}/a.csv', {{'path': '{0}/c.csv', 'name': None}}]",
        ],
        ids=["JSON", "Python", "spaces", "tuple", "None"],
    )
    def test_a_list_that_a_template_rendered_is_read(self, write_tree: Tree, text: str) -> None:
        tree = write_tree({"a.csv": b"1", "b.csv": b"2", "c.csv": b"3"})
        assert list(sources(text.format(tree))) == ["a.csv", "c.csv"]

    def test_a_dict_that_a_template_rendered_is_read(self, write_tree: Tree) -> None:
        tree = write_tree({"a.csv": b"1"})
        for text in (f'{{"path": "{tree}/a.csv", "name": "b.csv"}}', f"{{'path': '{tree}/a.csv', 'name': 'b.csv'}}"):
            assert list(sources(text)) == ["b.csv"]

    @pytest.mark.parametrize("text", ["a.csv", "[a].csv", "{x}", "[", "{", "[1", "1", "None", "(1,)", "{1, 2}", ""])
    def test_other_strings_stay_as_they_are(self, text: str) -> None:
        assert parse_literal(text) == text

    @pytest.mark.parametrize("text", ["{[]: 1}", "{{}: []}", "[" * 5000, "[\0]", "[" + "-" * 5000 + "1]"], ids=range(5))
    def test_a_string_that_only_looks_like_a_list_stays_as_it_is(self, text: str) -> None:
        gc.collect()  # what is collected at the deepest point of a recursion cannot be finalized
        assert parse_literal(text) == text
        refusal(text)

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("[" + "1," * 600_000 + "]", id="Python"),
            pytest.param("[" + "'a'," * 300_000 + "]", id="Python's strings"),
            pytest.param("[" + "1," * 9_000_000 + "1]", id="JSON"),
            pytest.param("[" + "x" * 1_100_000, id="neither"),
        ],
    )
    def test_a_string_that_would_take_gigabytes_is_refused_unread(self, text: str) -> None:
        tracemalloc.start()
        try:
            said = refusal(text)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert said.startswith("Pass files as the upstream task's output itself")
        assert f"{len(text):,} characters" in said
        assert peak < 50_000_000

    def test_a_long_json_string_is_read(self) -> None:
        names = [f"/data/{number:07}.csv" for number in range(100_000)]
        assert parse_literal(json.dumps(names)) == names

    @pytest.mark.parametrize(
        ("files", "words"),
        [
            pytest.param([], "empty", id="empty list"),
            pytest.param([[], ()], "empty", id="lists of nothing"),
            pytest.param("[]", "empty", id="empty list as string"),
            pytest.param("", "empty path", id="empty string"),
            pytest.param("None", "returned nothing", id="None as string"),
            pytest.param([""], "empty path", id="empty string in a list"),
            pytest.param({"path": ""}, "empty path", id="empty path"),
            pytest.param({"path": "None"}, "returned nothing", id="None as path"),
            pytest.param(None, "returned nothing or was skipped", id="None"),
            pytest.param([None], "returned nothing or was skipped", id="None in a list"),
            pytest.param("[null]", "returned nothing or was skipped", id="null in JSON"),
            pytest.param(5, "int", id="number"),
            pytest.param(b"raw.csv", "bytes", id="bytes"),
            pytest.param(bytearray(b"x"), "bytearray", id="bytearray"),
            pytest.param({"a"}, "set", id="set"),
            pytest.param(iter(["a"]), "iterator", id="iterator"),
            pytest.param({}, "nothing", id="empty dict"),
            pytest.param({"name": "a.csv"}, "'path'", id="no path"),
            pytest.param({"path": None}, "returned nothing or was skipped", id="path None"),
            pytest.param({"path": 5}, "'path'", id="path number"),
            pytest.param({"path": ["a"]}, "'path'", id="path list"),
            pytest.param({"path": "a.csv", "filename": "b"}, "'filename'", id="unknown key"),
            pytest.param({"path": "a.csv", 5: "b"}, "5", id="key that is not a string"),
            pytest.param("a\nb.csv", "control character", id="line break"),
            pytest.param("a\0b.csv", "control character", id="NUL"),
        ],
    )
    def test_another_form_is_refused(self, files: object, words: str) -> None:
        assert words in refusal(files)

    @pytest.mark.parametrize("name", ["", "/abs", "../up", "a//b", "a\nb"])
    def test_an_invalid_name_is_refused(self, write_tree: Tree, name: str) -> None:
        path = write_tree({"a.csv": b"1"}) / "a.csv"
        assert str(path) in refusal({"path": path, "name": name})

    @pytest.mark.parametrize("content_type", ["csv", "", "text/csv\r\nX-Key: 1", 5])
    def test_an_invalid_content_type_is_refused(self, write_tree: Tree, content_type: object) -> None:
        path = write_tree({"a.csv": b"1"}) / "a.csv"
        assert str(path) in refusal({"path": path, "content_type": content_type})

    @pytest.mark.parametrize(("first", "second"), [("x.csv", "x.csv"), ("x.csv", "X.CSV"), ("é", "e\u0301")])
    def test_two_files_whose_names_collide_are_refused(self, write_tree: Tree, first: str, second: str) -> None:
        one, other = write_tree({first: b"1"}, "one") / first, write_tree({second: b"2"}, "other") / second
        text = refusal([one, other])
        assert str(one) in text
        assert str(other) in text

    def test_the_same_file_twice_needs_two_names(self, write_tree: Tree) -> None:
        path = write_tree({"a.csv": b"1"}) / "a.csv"
        assert str(path) in refusal([path, str(path)])
        assert list(sources([path, {"path": path, "name": "b.csv"}])) == ["a.csv", "b.csv"]

    def test_names_are_checked_before_the_first_file_is_opened(
        self, write_tree: Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree = write_tree({"a/x.csv": b"1", "b/X.csv": b"2"})
        monkeypatch.setattr(LocalFile, "pin", lambda *_: pytest.fail("a file was pinned"))
        assert "names that collide" in refusal([tree / "a", tree / "b"])
        assert "'day 1/../x'" in refusal([tree / "a", {"path": tree / "b/X.csv", "name": "day 1/../x"}])


@pytest.mark.parametrize(
    ("files", "paths"),
    [
        ("/data/x.csv", ["/data/x.csv"]),
        ({"path": "/data/x.csv", "name": "y"}, ["/data/x.csv"]),
        (["/a", ["s3://b/c", {"path": Path("/d")}]], ["/a", "s3://b/c", "/d"]),
        ("['/a', {'path': '/b'}]", ["/a", "/b"]),
        (UserList(["/a", "/b/*.csv"]), ["/a", "/b/*.csv"]),
    ],
    ids=str,
)
def test_paths_and_uris_are_parsed_without_looking_at_them(files: object, paths: list[str]) -> None:
    assert [spec.path for spec in parse_file_specs(files)] == paths
