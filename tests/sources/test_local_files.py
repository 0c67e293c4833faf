"""Files, directories and patterns on this machine, found and pinned."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseFileError
from airflow_provider_ei.sources.local import LocalFile

from .found import refusal, resolve, sources

Tree = Callable[..., Path]


class TestOneFile:
    def test_a_path_gives_one_file_with_its_size_and_type(self, write_tree: Tree) -> None:
        path = write_tree({"raw.csv": b"t,x\n"}) / "raw.csv"
        (file,) = resolve(str(path))
        assert (file.name, file.size, file.content_type, file.source) == ("raw.csv", 4, "text/csv", str(path))
        with file.open() as handle:
            assert handle.read() == b"t,x\n"

    @pytest.mark.parametrize("kind", [str, Path, lambda path: {"path": path}, lambda path: {"path": str(path)}])
    def test_strings_paths_and_dicts_mean_the_same(self, write_tree: Tree, kind: Callable[[Path], object]) -> None:
        path = write_tree({"raw.csv": b"t,x\n"}) / "raw.csv"
        assert sources(kind(path)) == {"raw.csv": str(path)}

    def test_a_file_uri_is_a_path(self, write_tree: Tree) -> None:
        path = write_tree({"raw.csv": b"t,x\n"}) / "raw.csv"
        assert sources(f"file://{path}") == {"raw.csv": str(path)}

    def test_a_dict_can_give_another_name_and_content_type(self, write_tree: Tree) -> None:
        path = write_tree({"raw": b"t,x\n"}) / "raw"
        (file,) = resolve({"path": path, "name": "day 1/é.csv", "content_type": "text/plain; charset=utf-8"})
        assert (file.name, file.content_type, file.source) == ("day 1/é.csv", "text/plain; charset=utf-8", str(path))

    def test_the_content_type_follows_the_given_name(self, write_tree: Tree) -> None:
        path = write_tree({"raw.bin": b"t,x\n"}) / "raw.bin"
        (file,) = resolve({"path": path, "name": "raw.csv"})
        assert file.content_type == "text/csv"

    def test_a_name_of_none_counts_as_not_given(self, write_tree: Tree) -> None:
        path = write_tree({"raw.csv": b"t,x\n"}) / "raw.csv"
        assert sources({"path": path, "name": None, "content_type": None}) == {"raw.csv": str(path)}

    @pytest.mark.parametrize("name", ["run [1].csv", "[abc].csv", "what?.csv", "a*b.csv", "{x}.csv", "a'b\".csv", " x"])
    def test_a_file_whose_name_looks_like_a_pattern_is_that_file(self, write_tree: Tree, name: str) -> None:
        tree = write_tree({name: b"1", "run 1.csv": b"2", "a.csv": b"3", "whatX.csv": b"4", "aXb.csv": b"5"})
        assert sources(str(tree / name)) == {name: str(tree / name)}

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        assert str(tmp_path / "no.csv") in refusal(str(tmp_path / "no.csv"))

    def test_a_path_below_a_file_cannot_be_read(self, write_tree: Tree) -> None:
        tree = write_tree({"raw.csv": b"t,x\n"})
        assert "cannot be read" in refusal(str(tree / "raw.csv" / "x"))

    @pytest.mark.parametrize("length", [300, 5000])
    def test_a_string_that_is_too_long_for_a_path_is_refused(self, length: int) -> None:
        assert "xxx" in refusal("x" * length)

    def test_a_broken_link_is_refused_with_its_target(self, tmp_path: Path) -> None:
        (tmp_path / "link.csv").symlink_to("gone.csv")
        text = refusal(str(tmp_path / "link.csv"))
        assert "link.csv" in text
        assert "gone.csv" in text

    def test_a_link_to_itself_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "link.csv").symlink_to("link.csv")
        assert "link.csv" in refusal(str(tmp_path / "link.csv"))

    def test_a_link_to_a_file_is_followed(self, write_tree: Tree) -> None:
        tree = write_tree({"raw.csv": b"t,x\n"})
        (tree / "link.csv").symlink_to("raw.csv")
        (file,) = resolve(str(tree / "link.csv"))
        assert (file.name, file.size) == ("link.csv", 4)

    def test_a_pipe_is_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert "a pipe" in refusal(str(tmp_path / "pipe"))

    def test_a_device_is_refused(self) -> None:
        assert "a device" in refusal("/dev/null")

    def test_a_socket_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)  # the path of a socket must be short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("s")
            assert "socket" in refusal("s") or "cannot be read" in refusal("s")

    def test_a_relative_path_is_taken_from_the_working_directory(
        self, write_tree: Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(write_tree({"raw.csv": b"t,x\n"}))
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
    def test_a_file_uri_may_be_written_with_or_without_escapes(
        self, write_tree: Tree, start: str, name: str, written: str
    ) -> None:
        tree = write_tree({name: b"1"})
        assert sources(f"{start}{tree}/{written}") == {name: str(tree / name)}

    @pytest.mark.parametrize("place", ["a%20b", "a%20b/", "a%20b/*.csv", "a%20b/**", "a b/*.csv", "?%20b/*.csv"])
    def test_escapes_are_read_in_directories_and_patterns_too(self, write_tree: Tree, place: str) -> None:
        tree = write_tree({"a b/x.csv": b"1"})
        assert list(sources(f"file://{tree}/{place}").values()) == [str(tree / "a b/x.csv")]

    def test_a_percent_sign_in_the_name_of_a_folder_before_a_pattern_is_kept(self, write_tree: Tree) -> None:
        tree = write_tree({"a%20b/x.csv": b"1", "a b/y.csv": b"2"})
        assert list(sources(f"file://{tree}/a%20b/*.csv")) == ["x.csv"]

    @pytest.mark.parametrize("uri", ["file://", "file://localhost"])
    def test_a_uri_without_a_path_is_refused(self, uri: str) -> None:
        assert "has no path" in refusal(uri)

    def test_a_uri_of_another_machine_is_refused(self, tmp_path: Path) -> None:
        text = refusal("file://nas/study/x.csv")
        assert "write 'file:///nas/study/x.csv'" in text
        assert "'nas' is the name of another machine" in text


class TestMissingPaths:
    def test_a_missing_relative_path_is_shown_as_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for place in ("no.csv", "no/*.csv", "./no.csv"):
            assert str(tmp_path / "no") in refusal(place)

    @pytest.mark.parametrize("place", ["~/raw.csv", "~", "$HOME/raw.csv", "/data/${DAY}/raw.csv", "~/*.csv"])
    def test_what_a_shell_would_expand_is_explained(self, place: str) -> None:
        text = refusal(place)
        assert "write the whole path, since '~' and '$' are not expanded" in text

    def test_a_file_may_have_these_characters_in_its_name(
        self, write_tree: Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(write_tree({"~x.csv": b"1", "$y.csv": b"2"}))
        assert list(sources(["~x.csv", "$y.csv"])) == ["$y.csv", "~x.csv"]


class TestFilesThatWereReplaced:
    """Between the look at a file and its opening: nothing is waited for that may never come."""

    @pytest.mark.parametrize(
        ("make", "what"),
        [(os.mkfifo, "a pipe"), (lambda path: path.symlink_to("/dev/zero"), "a device"), (Path.mkdir, "raw.csv")],
        ids=["pipe", "device", "directory"],
    )
    @pytest.mark.parametrize("read", [LocalFile.open, LocalFile.read_whole], ids=["opened", "read-whole"])
    def test_opening_it_is_an_error(
        self, write_tree: Tree, make: Callable[[Path], object], what: str, read: Callable[[Any], object]
    ) -> None:
        path = write_tree({"raw.csv": b"1"}) / "raw.csv"
        (file,) = resolve(str(path))
        path.unlink()
        make(path)
        with pytest.raises(EdgeImpulseFileError, match=what):
            read(file)

    def test_pinning_it_is_an_error_where_only_opening_tells_whether_it_may_be_read(
        self, write_tree: Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_tree({"raw.csv": b"1"}) / "raw.csv"
        opens = os.open

        def swap_and_open(*args: Any) -> int:
            path.unlink()
            os.mkfifo(path)
            return opens(*args)

        monkeypatch.setattr(os, "supports_effective_ids", set())
        monkeypatch.setattr(os, "open", swap_and_open)
        assert "it is a pipe" in refusal(str(path))

    def test_a_regular_file_can_be_read_whole(self, write_tree: Tree) -> None:
        (file,) = resolve(str(write_tree({"raw.csv": bytes(range(256)) * 1000}) / "raw.csv"))
        with file.open() as handle:
            assert os.get_inheritable(handle.fileno()) is False
            assert handle.read() == bytes(range(256)) * 1000


class TestDepth:
    @pytest.mark.parametrize("pattern", ["", "/**", "/**/*.csv", "/d/**"])
    def test_a_file_990_folders_deep_is_found(
        self, write_tree: Tree, write_deep_folder: Callable[[str], str], pattern: str
    ) -> None:
        tree = write_tree({})
        write_deep_folder("tree")
        (name,) = sources(f"{tree}{pattern}")
        assert name == "d/" * (989 if pattern == "/d/**" else 990) + "y.csv"

    def test_many_double_stars_find_each_file_once(self, write_tree: Tree) -> None:
        tree = write_tree({"/".join("d" * 30) + "/x.csv": b"1"})
        assert len(sources(f"{tree}/**/**/**/**/**/**/x.csv")) == 1


class TestDirectory:
    def test_names_are_relative_to_it(self, write_tree: Tree) -> None:
        tree = write_tree({"a.csv": b"1", "s1/x.csv": b"2", "s2/x.csv": b"3", "s2/deep/é [1].csv": b"4"})
        assert sources(str(tree)) == {
            name: str(tree / name) for name in ("a.csv", "s1/x.csv", "s2/deep/é [1].csv", "s2/x.csv")
        }

    @pytest.mark.parametrize("end", ["/", "//", "/."])
    def test_a_slash_at_its_end_makes_no_difference(self, write_tree: Tree, end: str) -> None:
        assert list(sources(f"{write_tree({'s/x.csv': b'1'})}{end}")) == ["s/x.csv"]

    def test_hidden_ones_are_left_out(self, write_tree: Tree) -> None:
        tree = write_tree({"a.csv": b"1", ".hidden": b"2", ".git/config": b"3", "s/.DS_Store": b"4"})
        (tree / ".loop").symlink_to(tree)
        (tree / ".broken").symlink_to("nowhere")
        assert list(sources(str(tree))) == ["a.csv"]

    def test_a_hidden_folder_itself_can_be_given(self, write_tree: Tree) -> None:
        assert list(sources(str(write_tree({"a.csv": b"1"}, ".hidden")))) == ["a.csv"]

    def test_links_are_followed(self, write_tree: Tree) -> None:
        elsewhere = write_tree({"x.csv": b"1", "s/y.csv": b"2"}, "elsewhere")
        tree = write_tree({"a.csv": b"3"})
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
    def test_a_link_to_a_folder_above_is_refused(self, write_tree: Tree, target: str) -> None:
        tree = write_tree({"s/a.csv": b"1"})
        (tree / "s" / "loop").symlink_to(target)
        assert "loop" in refusal(str(tree))

    def test_links_that_lead_to_each_other_are_refused(self, write_tree: Tree) -> None:
        tree = write_tree({"a/1.csv": b"1", "b/2.csv": b"2"})
        (tree / "a" / "to-b").symlink_to("../b")
        (tree / "b" / "to-a").symlink_to("../a")
        assert "to-" in refusal(str(tree))

    def test_a_folder_whose_name_begins_like_the_target_of_a_link_is_no_loop(self, write_tree: Tree) -> None:
        tree = write_tree({"run/a.csv": b"1", "run 2/b.csv": b"2"})
        (tree / "run 2" / "first").symlink_to("../run")
        assert list(sources(str(tree / "run 2"))) == ["b.csv", "first/a.csv"]

    @pytest.mark.parametrize("make", [lambda p: p.symlink_to("nowhere"), os.mkfifo], ids=["broken link", "pipe"])
    def test_an_entry_that_is_not_a_file_is_refused(self, write_tree: Tree, make: Callable[[Path], object]) -> None:
        tree = write_tree({"a.csv": b"1"})
        make(tree / "odd")
        assert str(tree / "odd") in refusal(str(tree))

    @pytest.mark.parametrize("files", [{}, {".hidden": b"1"}, {"s/.hidden": b"1"}], ids=str)
    def test_a_directory_without_visible_files_is_refused(self, write_tree: Tree, files: Mapping[str, bytes]) -> None:
        tree = write_tree(files)
        assert str(tree) in refusal(str(tree))

    def test_a_name_is_refused_for_more_than_one_file(self, write_tree: Tree) -> None:
        tree = write_tree({"a.csv": b"1"})
        assert "'b.csv'" in refusal({"path": tree, "name": "b.csv"})

    def test_a_content_type_is_for_all_files(self, write_tree: Tree) -> None:
        tree = write_tree({"a.csv": b"1", "b.wav": b"2"})
        assert [file.content_type for file in resolve({"path": tree, "content_type": "text/x"})] == ["text/x"] * 2

    @pytest.mark.parametrize("name", [b"a\nb.csv", b"a\xe9.csv", b"a\x7f.csv"], ids=["line break", "Latin-1", "DEL"])
    def test_a_name_that_cannot_be_sent_is_refused(self, tmp_path: Path, name: bytes) -> None:
        (tmp_path / os.fsdecode(name)).write_bytes(b"1")
        refusal(str(tmp_path)).encode()

    def test_files_are_sorted_by_name(self, write_tree: Tree) -> None:
        tree = write_tree({name: b"1" for name in ("b", "a/z", "a.b", "C", "é", "10", "9")})
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
        self, write_tree: Tree, monkeypatch: pytest.MonkeyPatch, pattern: str, names: list[str]
    ) -> None:
        tree = write_tree(self.FILES)
        assert list(sources(f"{tree}/{pattern}")) == names
        assert list(sources(f"file://{tree}/{pattern}")) == names
        monkeypatch.chdir(tree)
        assert list(sources(pattern)) == names

    def test_a_pattern_without_a_match_is_refused(self, write_tree: Tree) -> None:
        pattern = f"{write_tree(self.FILES)}/*.wav"
        assert pattern in refusal(pattern)

    def test_a_pattern_that_matches_only_folders_is_refused(self, write_tree: Tree) -> None:
        assert "give a pattern that matches a file" in refusal(f"{write_tree(self.FILES)}/s*")

    def test_a_name_is_refused_for_more_than_one_file(self, write_tree: Tree) -> None:
        assert "'b.csv'" in refusal({"path": f"{write_tree(self.FILES)}/a.*", "name": "b.csv"})

    def test_a_broken_link_among_the_matches_is_refused(self, write_tree: Tree) -> None:
        tree = write_tree(self.FILES)
        (tree / "c.csv").symlink_to("gone")
        assert "c.csv" in refusal(f"{tree}/*.csv")

    @pytest.mark.parametrize("pattern", ["**", "**/*.csv"])
    def test_a_link_to_a_folder_above_is_refused(self, write_tree: Tree, pattern: str) -> None:
        """As in a directory: not the same file forty times."""
        tree = write_tree({"s/a.csv": b"1"})
        (tree / "s" / "loop").symlink_to("..")
        assert "loop" in refusal(f"{tree}/{pattern}")


class TestWithoutPermission:
    """Root may read everything, so that another user has to look."""

    # The imports come first: the other user may not read this installation. Nor may it pass through the folders
    # above, so that it looks from where it is.
    SCRIPT = """
        import os, sys
        from airflow_provider_ei.exceptions import EdgeImpulseInputError
        from airflow_provider_ei.sources.discover import discover_files
        from airflow_provider_ei.sources.file_specs import parse_file_specs
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        try:
            print("found", [file.name for file in discover_files(parse_file_specs(sys.argv[1]), None)])
        except EdgeImpulseInputError as error:
            print("refused", error)
    """

    @pytest.fixture
    def tree(self, write_tree: Tree) -> Iterator[Path]:
        tree = write_tree({"a.csv": b"1", "secret.csv": b"2", "closed/b.csv": b"3", "listed only/c.csv": b"4"})
        tree.chmod(0o755)
        (tree / "secret.csv").chmod(0)
        (tree / "closed").chmod(0)
        (tree / "listed only").chmod(0o444)
        yield tree
        (tree / "closed").chmod(0o700)
        (tree / "listed only").chmod(0o700)

    def discover_as_nobody(self, tree: Path, place: str) -> str:
        command = [sys.executable, "-c", textwrap.dedent(self.SCRIPT), place]
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def test_a_readable_file_is_found(self, tree: Path) -> None:
        assert self.discover_as_nobody(tree, "a.csv") == "found ['a.csv']\n"

    @pytest.mark.parametrize("name", ["secret.csv", "closed", "closed/b.csv", "listed only", "listed only/c.csv"])
    def test_a_file_or_folder_without_permission_is_refused(self, tree: Path, name: str) -> None:
        said = self.discover_as_nobody(tree, name)
        assert said.startswith("refused ")
        assert name in said
        assert "Permission denied" in said

    def test_a_directory_that_contains_one_is_refused(self, tree: Path) -> None:
        said = self.discover_as_nobody(tree, ".")
        assert said.startswith("refused ")
        assert "Permission denied" in said

    @pytest.mark.parametrize("pattern", ["*.csv", "closed/*", "*/*.csv", "**/*.csv"])
    def test_a_pattern_that_reaches_one_is_refused(self, tree: Path, pattern: str) -> None:
        assert self.discover_as_nobody(tree, pattern).startswith("refused ")

    @pytest.mark.parametrize("pattern", ["**/*.csv", "*/*.csv"])
    def test_a_pattern_that_may_have_matches_in_a_closed_folder_is_refused(self, tree: Path, pattern: str) -> None:
        """As below a directory: files that cannot be listed must not be left out silently."""
        (tree / "secret.csv").unlink()
        (tree / "listed only").chmod(0o755)
        said = self.discover_as_nobody(tree, pattern)
        assert said.startswith("refused ")
        assert "closed" in said
