"""From what a user gives as ``files`` to pinned files."""

from __future__ import annotations

import gc
import json
import os
import re
import socket
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_ei.exceptions import EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sources.file_specs import parse_literal, resolve_files
from airflow_provider_ei.studio.files import UploadFile
from airflow_provider_ei.sync.digest import sha256_of
from tests.support.files import no_store, sha256

Tree = Callable[..., Path]


def resolve(files: object) -> list[UploadFile]:
    return resolve_files(files, no_store)


def sources(files: object) -> dict[str, str]:
    return {file.name: file.source for file in resolve(files)}


def refusal(files: object) -> str:
    with pytest.raises(EdgeImpulseInputError) as caught:
        resolve(files)
    assert not caught.value.retryable
    return str(caught.value)


class TestOneFile:
    def test_path(self, sync_tree: Tree) -> None:
        path = sync_tree({"raw.csv": b"t,x\n"}) / "raw.csv"
        (file,) = resolve(str(path))
        assert (file.name, file.size, file.content_type, file.source) == ("raw.csv", 4, "text/csv", str(path))
        with file.open() as handle:
            assert handle.read() == b"t,x\n"

    @pytest.mark.parametrize("kind", [str, Path, lambda path: {"path": path}, lambda path: {"path": str(path)}])
    def test_every_way_to_say_it(self, sync_tree: Tree, kind: Callable[[Path], object]) -> None:
        path = sync_tree({"raw.csv": b"t,x\n"}) / "raw.csv"
        assert sources(kind(path)) == {"raw.csv": str(path)}

    def test_uri_of_a_file(self, sync_tree: Tree) -> None:
        path = sync_tree({"raw.csv": b"t,x\n"}) / "raw.csv"
        assert sources(f"file://{path}") == {"raw.csv": str(path)}

    def test_name_and_content_type(self, sync_tree: Tree) -> None:
        path = sync_tree({"raw": b"t,x\n"}) / "raw"
        (file,) = resolve({"path": path, "name": "day 1/é.csv", "content_type": "text/plain; charset=utf-8"})
        assert (file.name, file.content_type, file.source) == ("day 1/é.csv", "text/plain; charset=utf-8", str(path))

    def test_content_type_follows_the_given_name(self, sync_tree: Tree) -> None:
        path = sync_tree({"raw.bin": b"t,x\n"}) / "raw.bin"
        (file,) = resolve({"path": path, "name": "raw.csv"})
        assert file.content_type == "text/csv"

    def test_name_none_is_none(self, sync_tree: Tree) -> None:
        path = sync_tree({"raw.csv": b"t,x\n"}) / "raw.csv"
        assert sources({"path": path, "name": None, "content_type": None}) == {"raw.csv": str(path)}

    @pytest.mark.parametrize("name", ["run [1].csv", "[abc].csv", "what?.csv", "a*b.csv", "{x}.csv", "a'b\".csv", " x"])
    def test_literal_name_that_looks_like_a_pattern(self, sync_tree: Tree, name: str) -> None:
        tree = sync_tree({name: b"1", "run 1.csv": b"2", "a.csv": b"3", "whatX.csv": b"4", "aXb.csv": b"5"})
        assert sources(str(tree / name)) == {name: str(tree / name)}

    def test_missing(self, tmp_path: Path) -> None:
        assert str(tmp_path / "no.csv") in refusal(str(tmp_path / "no.csv"))

    def test_below_a_file(self, sync_tree: Tree) -> None:
        tree = sync_tree({"raw.csv": b"t,x\n"})
        assert "cannot be read" in refusal(str(tree / "raw.csv" / "x"))

    @pytest.mark.parametrize("length", [300, 5000])
    def test_text_that_is_too_long_for_a_path(self, length: int) -> None:
        assert "xxx" in refusal("x" * length)

    def test_broken_link(self, tmp_path: Path) -> None:
        (tmp_path / "link.csv").symlink_to("gone.csv")
        text = refusal(str(tmp_path / "link.csv"))
        assert "link.csv" in text
        assert "gone.csv" in text

    def test_link_to_itself(self, tmp_path: Path) -> None:
        (tmp_path / "link.csv").symlink_to("link.csv")
        assert "link.csv" in refusal(str(tmp_path / "link.csv"))

    def test_link_to_a_file(self, sync_tree: Tree) -> None:
        tree = sync_tree({"raw.csv": b"t,x\n"})
        (tree / "link.csv").symlink_to("raw.csv")
        (file,) = resolve(str(tree / "link.csv"))
        assert (file.name, file.size) == ("link.csv", 4)

    def test_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert "a pipe" in refusal(str(tmp_path / "pipe"))

    def test_device(self) -> None:
        assert "a device" in refusal("/dev/null")

    def test_socket(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)  # the path of a socket must be short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("s")
            assert "socket" in refusal("s") or "cannot be read" in refusal("s")

    def test_relative_path(self, sync_tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(sync_tree({"raw.csv": b"t,x\n"}))
        assert sources("raw.csv") == {"raw.csv": "raw.csv"}


class TestFileUris:
    @pytest.mark.parametrize("start", ["file://", "file://localhost", "FILE://", "file://LOCALHOST"])
    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("raw.csv", "raw.csv"),
            ("a b.csv", "a%20b.csv"),
            ("a b.csv", "a b.csv"),
            ("é.csv", "%C3%A9.csv"),
            ("100%.csv", "100%.csv"),
            ("100%.csv", "100%25.csv"),
            ("a%20b.csv", "a%20b.csv"),
            ("a#b?.csv", "a%23b%3F.csv"),
            ("a#b?.csv", "a#b?.csv"),
        ],
    )
    def test_of_a_file(self, sync_tree: Tree, start: str, name: str, written: str) -> None:
        tree = sync_tree({name: b"1"})
        assert sources(f"{start}{tree}/{written}") == {name: str(tree / name)}

    @pytest.mark.parametrize("place", ["a%20b", "a%20b/", "a%20b/*.csv", "a%20b/**", "a b/*.csv", "?%20b/*.csv"])
    def test_of_a_directory_and_a_pattern(self, sync_tree: Tree, place: str) -> None:
        tree = sync_tree({"a b/x.csv": b"1"})
        assert list(sources(f"file://{tree}/{place}").values()) == [str(tree / "a b/x.csv")]

    def test_a_percent_sign_of_a_folder_before_a_pattern(self, sync_tree: Tree) -> None:
        tree = sync_tree({"a%20b/x.csv": b"1", "a b/y.csv": b"2"})
        assert list(sources(f"file://{tree}/a%20b/*.csv")) == ["x.csv"]

    @pytest.mark.parametrize("uri", ["file://", "file://localhost"])
    def test_without_a_path(self, uri: str) -> None:
        assert "has no path" in refusal(uri)

    def test_of_another_machine(self, tmp_path: Path) -> None:
        text = refusal("file://nas/study/x.csv")
        assert "write 'file:///nas/study/x.csv'" in text
        assert "'nas' is the name of another machine" in text


class TestPathsThatAreMissing:
    def test_relative_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for place in ("no.csv", "no/*.csv", "./no.csv"):
            assert str(tmp_path / "no") in refusal(place)

    @pytest.mark.parametrize("place", ["~/raw.csv", "~", "$HOME/raw.csv", "/data/${DAY}/raw.csv", "~/*.csv"])
    def test_what_a_shell_would_expand(self, place: str) -> None:
        text = refusal(place)
        assert "write the whole path, since '~' and '$' are not expanded" in text

    def test_names_with_these_characters(self, sync_tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(sync_tree({"~x.csv": b"1", "$y.csv": b"2"}))
        assert list(sources(["~x.csv", "$y.csv"])) == ["$y.csv", "~x.csv"]


class TestFilesThatHaveBecomeSomethingElse:
    """Between the look at a file and its opening: nothing is waited for that may never come."""

    @pytest.mark.parametrize(
        ("make", "what"),
        [(os.mkfifo, "a pipe"), (lambda path: path.symlink_to("/dev/zero"), "a device"), (Path.mkdir, "raw.csv")],
        ids=["pipe", "device", "directory"],
    )
    def test_opening_it(self, sync_tree: Tree, make: Callable[[Path], object], what: str) -> None:
        path = sync_tree({"raw.csv": b"1"}) / "raw.csv"
        (file,) = resolve(str(path))
        path.unlink()
        make(path)
        with pytest.raises(EdgeImpulseFileError, match=what):
            file.open()

    def test_looking_at_it(self, sync_tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        path = sync_tree({"raw.csv": b"1"}) / "raw.csv"
        opens = os.open

        def swap_and_open(*args: Any) -> int:
            path.unlink()
            os.mkfifo(path)
            return opens(*args)

        monkeypatch.setattr(os, "open", swap_and_open)
        assert "it is a pipe" in refusal(str(path))

    def test_a_file_is_read_as_before(self, sync_tree: Tree) -> None:
        (file,) = resolve(str(sync_tree({"raw.csv": bytes(range(256)) * 1000}) / "raw.csv"))
        with file.open() as handle:
            assert os.get_inheritable(handle.fileno()) is False
            assert handle.read() == bytes(range(256)) * 1000


class TestDepth:
    @pytest.mark.parametrize("pattern", ["", "/**", "/**/*.csv", "/d/**"])
    def test_a_folder_990_levels_deep(self, sync_tree: Tree, sync_deep: Callable[[str], str], pattern: str) -> None:
        tree = sync_tree({})
        sync_deep("tree")
        (name,) = sources(f"{tree}{pattern}")
        assert name == "d/" * (989 if pattern == "/d/**" else 990) + "y.csv"

    def test_many_double_stars(self, sync_tree: Tree) -> None:
        tree = sync_tree({"/".join("d" * 30) + "/x.csv": b"1"})
        assert len(sources(f"{tree}/**/**/**/**/**/**/x.csv")) == 1


class TestDirectory:
    def test_names_are_relative_to_it(self, sync_tree: Tree) -> None:
        tree = sync_tree({"a.csv": b"1", "s1/x.csv": b"2", "s2/x.csv": b"3", "s2/deep/é [1].csv": b"4"})
        assert sources(str(tree)) == {
            name: str(tree / name) for name in ("a.csv", "s1/x.csv", "s2/deep/é [1].csv", "s2/x.csv")
        }

    @pytest.mark.parametrize("end", ["/", "//", "/."])
    def test_slash_at_its_end(self, sync_tree: Tree, end: str) -> None:
        assert list(sources(f"{sync_tree({'s/x.csv': b'1'})}{end}")) == ["s/x.csv"]

    def test_hidden_ones_are_left_out(self, sync_tree: Tree) -> None:
        tree = sync_tree({"a.csv": b"1", ".hidden": b"2", ".git/config": b"3", "s/.DS_Store": b"4"})
        (tree / ".loop").symlink_to(tree)
        (tree / ".broken").symlink_to("nowhere")
        assert list(sources(str(tree))) == ["a.csv"]

    def test_hidden_folder_itself_can_be_given(self, sync_tree: Tree) -> None:
        assert list(sources(str(sync_tree({"a.csv": b"1"}, ".hidden")))) == ["a.csv"]

    def test_links_are_followed(self, sync_tree: Tree) -> None:
        elsewhere = sync_tree({"x.csv": b"1", "s/y.csv": b"2"}, "elsewhere")
        tree = sync_tree({"a.csv": b"3"})
        (tree / "folder").symlink_to(elsewhere)
        (tree / "file.csv").symlink_to(elsewhere / "x.csv")
        (tree / "again").symlink_to(elsewhere)
        assert list(sources(str(tree))) == [
            "a.csv",
            "again/s/y.csv",
            "again/x.csv",
            "file.csv",
            "folder/s/y.csv",
            "folder/x.csv",
        ]

    @pytest.mark.parametrize("target", [".", "..", "../..", "../s"])
    def test_link_to_a_folder_above(self, sync_tree: Tree, target: str) -> None:
        tree = sync_tree({"s/a.csv": b"1"})
        (tree / "s" / "loop").symlink_to(target)
        assert "loop" in refusal(str(tree))

    def test_links_that_lead_to_each_other(self, sync_tree: Tree) -> None:
        tree = sync_tree({"a/1.csv": b"1", "b/2.csv": b"2"})
        (tree / "a" / "to-b").symlink_to("../b")
        (tree / "b" / "to-a").symlink_to("../a")
        assert "to-" in refusal(str(tree))

    def test_folder_whose_name_begins_like_the_link_s_target(self, sync_tree: Tree) -> None:
        tree = sync_tree({"run/a.csv": b"1", "run 2/b.csv": b"2"})
        (tree / "run 2" / "first").symlink_to("../run")
        assert list(sources(str(tree / "run 2"))) == ["b.csv", "first/a.csv"]

    @pytest.mark.parametrize("make", [lambda p: p.symlink_to("nowhere"), os.mkfifo], ids=["broken link", "pipe"])
    def test_what_is_no_file_is_refused(self, sync_tree: Tree, make: Callable[[Path], object]) -> None:
        tree = sync_tree({"a.csv": b"1"})
        make(tree / "odd")
        assert str(tree / "odd") in refusal(str(tree))

    @pytest.mark.parametrize("files", [{}, {".hidden": b"1"}, {"s/.hidden": b"1"}], ids=str)
    def test_without_files(self, sync_tree: Tree, files: Mapping[str, bytes]) -> None:
        tree = sync_tree(files)
        assert str(tree) in refusal(str(tree))

    def test_name_is_for_one_file(self, sync_tree: Tree) -> None:
        tree = sync_tree({"a.csv": b"1"})
        assert "'b.csv'" in refusal({"path": tree, "name": "b.csv"})

    def test_content_type_is_for_all(self, sync_tree: Tree) -> None:
        tree = sync_tree({"a.csv": b"1", "b.wav": b"2"})
        assert [file.content_type for file in resolve({"path": tree, "content_type": "text/x"})] == ["text/x"] * 2

    @pytest.mark.parametrize("name", [b"a\nb.csv", b"a\xe9.csv", b"a\x7f.csv"], ids=["line break", "Latin-1", "DEL"])
    def test_name_that_cannot_travel(self, tmp_path: Path, name: bytes) -> None:
        (tmp_path / os.fsdecode(name)).write_bytes(b"1")
        refusal(str(tmp_path)).encode()

    def test_order_is_that_of_the_names(self, sync_tree: Tree) -> None:
        tree = sync_tree({name: b"1" for name in ("b", "a/z", "a.b", "C", "é", "10", "9")})
        names = [file.name for file in resolve(str(tree))]
        assert names == sorted(names)


class TestPattern:
    FILES: Mapping[str, bytes] = {
        "a.csv": b"1",
        "b.txt": b"2",
        "s1/x.csv": b"3",
        "s2/x.csv": b"4",
        "s2/deep/y.csv": b"5",
        ".hidden.csv": b"6",
        ".git/z.csv": b"7",
    }

    @pytest.mark.parametrize(
        ("pattern", "names"),
        [
            ("*.csv", ["a.csv"]),
            ("?.*", ["a.csv", "b.txt"]),
            ("[ab].*", ["a.csv", "b.txt"]),
            ("*/x.csv", ["s1/x.csv", "s2/x.csv"]),
            ("s*/*", ["s1/x.csv", "s2/x.csv"]),
            ("**/*.csv", ["a.csv", "s1/x.csv", "s2/deep/y.csv", "s2/x.csv"]),
            ("**", ["a.csv", "b.txt", "s1/x.csv", "s2/deep/y.csv", "s2/x.csv"]),
            ("s2/**", ["deep/y.csv", "x.csv"]),
            ("s2/**/*.csv", ["deep/y.csv", "x.csv"]),
            ("s2/*.csv", ["x.csv"]),
        ],
    )
    def test_names_are_relative_to_what_is_before_the_first_wildcard(
        self, sync_tree: Tree, monkeypatch: pytest.MonkeyPatch, pattern: str, names: list[str]
    ) -> None:
        tree = sync_tree(self.FILES)
        assert list(sources(f"{tree}/{pattern}")) == names
        assert list(sources(f"file://{tree}/{pattern}")) == names
        monkeypatch.chdir(tree)
        assert list(sources(pattern)) == names

    def test_without_a_match(self, sync_tree: Tree) -> None:
        pattern = f"{sync_tree(self.FILES)}/*.wav"
        assert pattern in refusal(pattern)

    def test_that_matches_only_folders(self, sync_tree: Tree) -> None:
        assert "give a pattern that matches a file" in refusal(f"{sync_tree(self.FILES)}/s*")

    def test_name_is_for_one_file(self, sync_tree: Tree) -> None:
        assert "'b.csv'" in refusal({"path": f"{sync_tree(self.FILES)}/a.*", "name": "b.csv"})

    def test_broken_link_among_the_matches(self, sync_tree: Tree) -> None:
        tree = sync_tree(self.FILES)
        (tree / "c.csv").symlink_to("gone")
        assert "c.csv" in refusal(f"{tree}/*.csv")

    @pytest.mark.parametrize("pattern", ["**", "**/*.csv"])
    def test_link_to_a_folder_above(self, sync_tree: Tree, pattern: str) -> None:
        """As in a directory: not the same file forty times."""
        tree = sync_tree({"s/a.csv": b"1"})
        (tree / "s" / "loop").symlink_to("..")
        assert "loop" in refusal(f"{tree}/{pattern}")


class TestLists:
    def test_nested_lists_and_tuples(self, sync_tree: Tree) -> None:
        tree = sync_tree({"a.csv": b"1", "b.csv": b"2", "s/c.csv": b"3", "d.txt": b"4"})
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
    def test_text_of_a_template(self, sync_tree: Tree, text: str) -> None:
        tree = sync_tree({"a.csv": b"1", "b.csv": b"2", "c.csv": b"3"})
        assert list(sources(text.format(tree))) == ["a.csv", "c.csv"]

    def test_dict_as_text(self, sync_tree: Tree) -> None:
        tree = sync_tree({"a.csv": b"1"})
        for text in (f'{{"path": "{tree}/a.csv", "name": "b.csv"}}', f"{{'path': '{tree}/a.csv', 'name': 'b.csv'}}"):
            assert list(sources(text)) == ["b.csv"]

    @pytest.mark.parametrize("text", ["a.csv", "[a].csv", "{x}", "[", "{", "[1", "1", "None", "(1,)", "{1, 2}", ""])
    def test_other_texts_stay_texts(self, text: str) -> None:
        assert parse_literal(text) == text

    @pytest.mark.parametrize("text", ["{[]: 1}", "{{}: []}", "[" * 5000, "[\0]", "[" + "-" * 5000 + "1]"], ids=range(5))
    def test_texts_that_only_look_like_a_list(self, text: str) -> None:
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
    def test_a_text_that_would_take_gigabytes_is_refused_unread(self, text: str) -> None:
        tracemalloc.start()
        try:
            said = refusal(text)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert said.startswith("Pass files as the upstream task's output itself")
        assert f"{len(text):,} characters" in said
        assert peak < 50_000_000

    def test_a_long_text_of_json_is_read(self) -> None:
        names = [f"/data/{number:07}.csv" for number in range(100_000)]
        assert parse_literal(json.dumps(names)) == names

    @pytest.mark.parametrize(
        ("files", "words"),
        [
            pytest.param([], "empty", id="empty list"),
            pytest.param([[], ()], "empty", id="lists of nothing"),
            pytest.param("[]", "empty", id="empty list as text"),
            pytest.param("", "empty path", id="empty text"),
            pytest.param("None", "returned nothing", id="None as text"),
            pytest.param([""], "empty path", id="empty text in a list"),
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
            pytest.param({"path": "a.csv", 5: "b"}, "5", id="key that is no text"),
            pytest.param("a\nb.csv", "control character", id="line break"),
            pytest.param("a\0b.csv", "control character", id="NUL"),
        ],
    )
    def test_what_is_refused(self, files: object, words: str) -> None:
        assert words in refusal(files)

    @pytest.mark.parametrize("name", ["", "/abs", "../up", "a//b", "a\nb"])
    def test_name_that_is_refused(self, sync_tree: Tree, name: str) -> None:
        path = sync_tree({"a.csv": b"1"}) / "a.csv"
        assert str(path) in refusal({"path": path, "name": name})

    @pytest.mark.parametrize("content_type", ["csv", "", "text/csv\r\nX-Key: 1", 5])
    def test_content_type_that_is_refused(self, sync_tree: Tree, content_type: object) -> None:
        path = sync_tree({"a.csv": b"1"}) / "a.csv"
        assert str(path) in refusal({"path": path, "content_type": content_type})

    @pytest.mark.parametrize(("first", "second"), [("x.csv", "x.csv"), ("x.csv", "X.CSV"), ("é", "e\u0301")])
    def test_two_files_with_one_name(self, sync_tree: Tree, first: str, second: str) -> None:
        one, other = sync_tree({first: b"1"}, "one") / first, sync_tree({second: b"2"}, "other") / second
        text = refusal([one, other])
        assert str(one) in text
        assert str(other) in text

    def test_the_same_file_twice(self, sync_tree: Tree) -> None:
        path = sync_tree({"a.csv": b"1"}) / "a.csv"
        assert str(path) in refusal([path, str(path)])
        assert list(sources([path, {"path": path, "name": "b.csv"}])) == ["a.csv", "b.csv"]


class TestWithoutPermission:
    """Root may read everything, so that another user has to look."""

    # The imports come first: the other user may not read this installation. Nor may it pass through the folders
    # above, so that it looks from where it is.
    LOOK = """
        import os, sys
        from airflow_provider_ei.exceptions import EdgeImpulseInputError
        from airflow_provider_ei.sources.file_specs import resolve_files
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        try:
            print("found", [file.name for file in resolve_files(sys.argv[1], None)])
        except EdgeImpulseInputError as error:
            print("refused", error)
    """

    @pytest.fixture
    def tree(self, sync_tree: Tree) -> Iterator[Path]:
        tree = sync_tree({"a.csv": b"1", "secret.csv": b"2", "closed/b.csv": b"3", "listed only/c.csv": b"4"})
        tree.chmod(0o755)
        (tree / "secret.csv").chmod(0)
        (tree / "closed").chmod(0)
        (tree / "listed only").chmod(0o444)
        yield tree
        (tree / "closed").chmod(0o700)
        (tree / "listed only").chmod(0o700)

    def look(self, tree: Path, place: str) -> str:
        command = [sys.executable, "-c", textwrap.dedent(self.LOOK), place]
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def test_file_that_may_be_read(self, tree: Path) -> None:
        assert self.look(tree, "a.csv") == "found ['a.csv']\n"

    @pytest.mark.parametrize("name", ["secret.csv", "closed", "closed/b.csv", "listed only", "listed only/c.csv"])
    def test_place_that_may_not(self, tree: Path, name: str) -> None:
        said = self.look(tree, name)
        assert said.startswith("refused ")
        assert name in said
        assert "Permission denied" in said

    def test_directory_with_such_a_place_below(self, tree: Path) -> None:
        said = self.look(tree, ".")
        assert said.startswith("refused ")
        assert "Permission denied" in said

    @pytest.mark.parametrize("pattern", ["*.csv", "closed/*", "*/*.csv", "**/*.csv"])
    def test_pattern_over_such_a_place(self, tree: Path, pattern: str) -> None:
        assert self.look(tree, pattern).startswith("refused ")

    @pytest.mark.parametrize("pattern", ["**/*.csv", "*/*.csv"])
    def test_pattern_over_a_folder_that_cannot_be_listed(self, tree: Path, pattern: str) -> None:
        """As below a directory: what cannot be seen is no reason to upload the rest without it."""
        (tree / "secret.csv").unlink()
        (tree / "listed only").chmod(0o755)
        said = self.look(tree, pattern)
        assert said.startswith("refused ")
        assert "closed" in said


class TestStore:
    """Objects, read through fsspec."""

    @pytest.fixture(autouse=True)
    def memory(self) -> Iterator[MemoryFileSystem]:
        self.fs = MemoryFileSystem(skip_instance_cache=True)
        self.fs.store = {}  # of its own, not the one that all share
        self.fs.pseudo_dirs = [""]
        yield self.fs

    def open_store(self, uri: str) -> tuple[AbstractFileSystem, str]:
        rest = uri.partition("://")[2]
        return self.fs, "/" + rest.partition("@")[2] if "@" in rest.split("/")[0] else "/" + rest

    def put(self, **files: bytes) -> None:
        for name, data in files.items():
            self.fs.pipe(name, data)

    def resolve(self, files: object) -> list[UploadFile]:
        return resolve_files(files, self.open_store)

    def refusal(self, files: object) -> str:
        with pytest.raises(EdgeImpulseInputError) as caught:
            self.resolve(files)
        return str(caught.value)

    def test_object(self) -> None:
        self.put(**{"/bucket/day/raw.csv": b"t,x\n"})
        (file,) = self.resolve("memory://bucket/day/raw.csv")
        assert (file.name, file.size, file.content_type) == ("raw.csv", 4, "text/csv")
        assert file.source == "memory://bucket/day/raw.csv"
        with file.open() as handle:
            assert handle.read() == b"t,x\n"
        assert sha256_of(file) == sha256(b"t,x\n")

    def test_connection_in_the_uri(self) -> None:
        self.put(**{"/bucket/day/1.csv": b"1", "/bucket/day/2.csv": b"2"})
        files = self.resolve("memory://my_conn@bucket/day")
        assert [file.source for file in files] == [f"memory://my_conn@bucket/day/{n}.csv" for n in (1, 2)]

    @pytest.mark.parametrize("place", ["bucket/a@b/1.csv", "bucket/a@b"])
    def test_at_sign_in_the_key(self, place: str) -> None:
        self.put(**{"/bucket/a@b/1.csv": b"1"})
        (file,) = self.resolve(f"memory://{place}")
        assert file.source == "memory://bucket/a@b/1.csv"

    def test_directory(self) -> None:
        self.put(
            **{"/b/d/1.csv": b"1", "/b/d/s/2.csv": b"2", "/b/d/.hidden": b"3", "/b/d/.git/x": b"4", "/b/dd/5": b"5"}
        )
        for uri in ("memory://b/d", "memory://b/d/"):
            assert [file.name for file in self.resolve(uri)] == ["1.csv", "s/2.csv"]

    @pytest.mark.parametrize(
        ("pattern", "names"),
        [
            ("*.csv", ["1.csv"]),
            ("*/*.csv", ["s/2.csv"]),
            ("**/*.csv", ["1.csv", "s/2.csv"]),
            ("s/*", ["2.csv"]),
            ("[0-9].csv", ["1.csv"]),
        ],
    )
    def test_pattern(self, pattern: str, names: list[str]) -> None:
        self.put(**{"/b/d/1.csv": b"1", "/b/d/s/2.csv": b"2", "/b/d/3.txt": b"3", "/b/d/.csv": b"4"})
        assert [file.name for file in self.resolve(f"memory://b/d/{pattern}")] == names

    @pytest.mark.parametrize("name", ["run [1].csv", "a*.csv"])
    def test_literal_name_that_looks_like_a_pattern(self, name: str) -> None:
        self.put(**{f"/b/{name}": b"1", "/b/run 1.csv": b"2", "/b/ab.csv": b"3"})
        (file,) = self.resolve(f"memory://b/{name}")
        assert (file.name, file.size) == (name, 1)

    @pytest.mark.parametrize("place", ["b/no.csv", "b/no/*.csv", "b/d/*.wav", "no"])
    def test_missing(self, place: str) -> None:
        self.put(**{"/b/d/1.csv": b"1"})
        assert f"memory://{place}" in self.refusal(f"memory://{place}")

    def test_directory_without_files(self) -> None:
        self.put(**{"/b/d/.hidden": b"1"})
        assert "memory://b/d" in self.refusal("memory://b/d")

    def test_path_object_of_a_store(self) -> None:
        """It is no ``os.PathLike``, since there is nothing to open on this machine."""
        fs = self.fs

        class StorePath:
            path = "/b/raw.csv"

            def __init__(self) -> None:
                self.fs = fs

            def __str__(self) -> str:
                return "memory://b/raw.csv"

        self.put(**{"/b/raw.csv": b"1"})
        for given in (StorePath(), [StorePath()], {"path": StorePath()}):
            assert [file.source for file in self.resolve(given)] == ["memory://b/raw.csv"]

    def test_name_and_content_type(self) -> None:
        self.put(**{"/b/raw": b"1"})
        (file,) = self.resolve({"path": "memory://b/raw", "name": "s/é.csv", "content_type": "text/x"})
        assert (file.name, file.content_type) == ("s/é.csv", "text/x")

    def test_beside_files_of_this_machine(self, sync_tree: Tree) -> None:
        self.put(**{"/b/2.csv": b"2"})
        tree = sync_tree({"1.csv": b"1"})
        assert [file.name for file in self.resolve([str(tree), "memory://b/2.csv"])] == ["1.csv", "2.csv"]
        assert "memory://b/2.csv" in self.refusal([str(sync_tree({"2.csv": b"1"})), "memory://b/2.csv"])

    @pytest.mark.parametrize("data", [b"more than before", b"", b"T,X\n"], ids=["longer", "empty", "same length"])
    def test_object_that_was_changed_after_it_was_found(self, data: bytes) -> None:
        self.put(**{"/b/raw.csv": b"t,x\n"})
        (file,) = self.resolve("memory://b/raw.csv")
        self.put(**{"/b/raw.csv": data})
        with pytest.raises(EdgeImpulseFileError, match=r"memory://b/raw\.csv"):
            sha256_of(file)

    @pytest.mark.parametrize("place", ["b/raw.csv", "b", "b/*.csv"])
    def test_an_error_of_the_stores_own_may_pass(self, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
        class StoreError(Exception):
            pass

        def fail(*_: object, **__: object) -> None:
            raise StoreError("the store is being updated")

        monkeypatch.setattr(self.fs, "info", fail)
        with pytest.raises(
            EdgeImpulseFileError, match=rf"^files: 'memory://{re.escape(place)}' cannot be read: the store"
        ):
            self.resolve(f"memory://{place}")

    @pytest.mark.parametrize("data", [b"t,x\n", b""], ids=["bytes", "empty"])
    def test_object_that_is_gone(self, data: bytes) -> None:
        self.put(**{"/b/raw.csv": data})
        (file,) = self.resolve("memory://b/raw.csv")
        self.fs.rm("/b/raw.csv")
        with pytest.raises(EdgeImpulseFileError, match=r"memory://b/raw\.csv"):
            sha256_of(file)

    def test_empty_object_that_grew(self) -> None:
        self.put(**{"/b/raw.csv": b""})
        (file,) = self.resolve("memory://b/raw.csv")
        self.put(**{"/b/raw.csv": b"1"})
        with pytest.raises(EdgeImpulseFileError, match=r"memory://b/raw\.csv"):
            sha256_of(file)

    def cached(self) -> MemoryFileSystem:
        """Stores answer ``info`` from their listing until it is dropped."""
        listing: dict[str, dict[str, Any]] = {}
        fresh = self.fs.info

        class Cached(MemoryFileSystem):
            cachable = False

            def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
                return listing.setdefault(path, fresh(path, **kwargs))

            def invalidate_cache(self, path: str | None = None) -> None:
                listing.clear()

        cached = Cached()
        cached.store = self.fs.store
        return cached

    def test_a_cached_listing_is_not_believed_after_the_last_byte(self) -> None:
        cached = self.cached()
        self.put(**{"/b/raw.csv": b"t,x\n"})
        (file,) = resolve_files("memory://b/raw.csv", lambda uri: (cached, "/b/raw.csv"))
        self.put(**{"/b/raw.csv": b"T,X\n"})
        with pytest.raises(EdgeImpulseFileError):
            sha256_of(file)

    def test_a_cached_listing_of_an_earlier_task_is_not_believed(self) -> None:
        cached = self.cached()
        self.put(**{"/b/raw.csv": b"t,x\n"})
        cached.info("/b/raw.csv")
        self.put(**{"/b/raw.csv": b"longer than before"})
        (file,) = resolve_files("memory://b/raw.csv", lambda uri: (cached, "/b/raw.csv"))
        assert sha256_of(file) == sha256(b"longer than before")

    @pytest.mark.parametrize("size", [None, "4", 4.0])
    def test_object_without_a_size(self, monkeypatch: pytest.MonkeyPatch, size: object) -> None:
        self.put(**{"/b/raw.csv": b"t,x\n"})
        info = self.fs.info
        monkeypatch.setattr(self.fs, "info", lambda path, **kwargs: info(path, **kwargs) | {"size": size})
        assert "memory://b/raw.csv" in self.refusal("memory://b/raw.csv")

    @pytest.mark.parametrize(
        "error",
        [
            ImportError("install the provider of s3"),
            ValueError("no such protocol"),
            PermissionError("access denied"),
            FileNotFoundError("b"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_store_that_cannot_be_opened(self, error: Exception) -> None:
        def open_store(uri: str) -> tuple[AbstractFileSystem, str]:
            raise error

        with pytest.raises(EdgeImpulseInputError, match=r"s3://b/raw\.csv"):
            resolve_files("s3://b/raw.csv", open_store)

    def listed(self, monkeypatch: pytest.MonkeyPatch, *infos: dict[str, Any]) -> None:
        """Let the store list these objects, too."""
        listing = self.fs.ls
        monkeypatch.setattr(self.fs, "ls", lambda path, **kwargs: [*listing(path, **kwargs), *infos])

    def test_empty_object_that_stands_for_a_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.put(**{"/b/d/1.csv": b"1"})
        self.listed(monkeypatch, {"name": "/b/d/", "size": 0, "type": "file"})
        assert [file.name for file in self.resolve("memory://b/d")] == ["1.csv"]

    def test_empty_path_segment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.put(**{"/b/d/1.csv": b"1"})
        self.listed(monkeypatch, {"name": "/b/d/", "size": 0, "type": "directory"})
        assert "empty path segment" in self.refusal("memory://b/d")
