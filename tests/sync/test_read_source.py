"""What a user gives as the source of a sync, up to the items and what is said about the rest."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.read_source import read_source
from airflow_provider_ei.sync.dataset.tree import Tree
from tests.support.files import no_store

Write = Callable[..., Path]


def read(**given: Any) -> Tree:
    """The tree with its items, as a sync reads them again."""
    index = read_source(SyncOptions(dataset="d", **given), no_store)
    items = [index.item(name) for name in sorted(index)]
    return replace(index.tree, items=[item for item in items if item is not None])


PAIRS = [
    (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")),
    ("run 1", "run  1"),
    ("run 1", "run\N{NO-BREAK SPACE}1"),
    ("run 1", "run 1 "),
    ("\N{KELVIN SIGN}1", "K1"),
]


class TestNamesOfOneForm:
    @pytest.mark.parametrize("names", PAIRS, ids=ascii)
    def test_two_folders_of_one_name_are_a_problem_of_both(self, write_tree: Write, names: tuple[str, str]) -> None:
        tree = read(source=str(write_tree({f"{name}/x.csv": b"" for name in (*names, "other")})))
        problems = {item.name: str(item.problem) for item in tree.items if item.problem}
        assert set(problems) == set(names)
        assert all(ascii(name) in text for text in problems.values() for name in names)
        assert all(text.startswith("Rename one of ") for text in problems.values())

    @pytest.mark.parametrize("names", [pair for pair in PAIRS if not pair[1].endswith(" ")], ids=ascii)
    def test_two_listed_items_of_one_name_are_a_problem_of_both(
        self, write_tree: Write, names: tuple[str, str]
    ) -> None:
        top = write_tree({"x.csv": b""})
        items = [{"name": name, "files": str(top / "x.csv")} for name in (*names, "other")]
        assert [item.name for item in read(items=items).items if item.problem] == sorted(names)

    def test_upper_and_lower_case_are_different_items(self, write_tree: Write) -> None:
        tree = read(source=str(write_tree({"a/x.csv": b"", "A/x.csv": b""})))
        assert [item.problem for item in tree.items] == [None, None]


class TestFilesThatCollide:
    def test_colliding_files_of_a_folder_are_to_be_renamed_there(self, write_tree: Write) -> None:
        top = write_tree({"a/x.csv": b"1", "a/X.csv": b"2"})
        (item,) = read(source=str(top)).items
        with pytest.raises(EdgeImpulseInputError) as caught:
            item.resolve(SyncOptions(dataset="d", sync_id="nightly"))
        assert "files: rename or exclude one of two files in the source: " in str(caught.value)
        assert "{" not in str(caught.value)

    def test_colliding_files_of_a_list_can_be_given_another_name(self, write_tree: Write) -> None:
        top = write_tree({"a/x.csv": b"1", "a/X.csv": b"2"})
        (item,) = read(items=[{"name": "a", "files": str(top / "a")}]).items
        assert 'with {"path": …, "name": …}' in str(item.problem)


class TestNothing:
    @pytest.mark.parametrize("given", [{}, {"source": ""}, {"source": None, "items": None}, {"items": "None"}], ids=str)
    def test_nothing_from_a_skipped_task_is_refused(self, given: dict[str, Any]) -> None:
        with pytest.raises(EdgeImpulseInputError, match="returned nothing or was skipped"):
            read(**given)

    @pytest.mark.parametrize("source", ["~/study", "$HOME/study", "/data/${DAY}"])
    def test_what_a_shell_would_expand_is_explained(self, source: str) -> None:
        with pytest.raises(EdgeImpulseInputError, match=r"^source: write the whole path, since .* are not expanded"):
            read(source=source)

    def test_a_missing_relative_path_is_shown_as_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(
            EdgeImpulseInputError, match=f"source: write the absolute path: 'no' is '{tmp_path}/no' here"
        ):
            read(source="no")

    @pytest.mark.parametrize("form", ["file://localhost{}/a%20b", "FILE://{}/a%20b/", "file://{}/a b"])
    def test_a_file_uri_is_a_path(self, write_tree: Write, form: str) -> None:
        top = write_tree({"a b/s0/x.csv": b""})
        assert [item.name for item in read(source=form.format(top)).items] == ["s0"]

    def test_only_strays_are_refused_and_only_excluded_items_are_not(self, write_tree: Write) -> None:
        top = write_tree({"x.csv": b"", "s0/x.csv": b""})
        with pytest.raises(EdgeImpulseInputError, match="has no data items"):
            read(source=str(top / "s0"))
        assert read(source=str(top), exclude=["s0/"]).excluded == ["s0"]

    def test_what_is_left_out_is_logged(self, write_tree: Write, caplog: pytest.LogCaptureFixture) -> None:
        (top := write_tree({"s0/x.csv": b"", "s1/x.csv": b""})).joinpath("empty").mkdir()
        with caplog.at_level(logging.INFO):
            read(source=str(top), exclude=["s0"])
        assert "'s0' is not sent: include and exclude leave nothing of it." in caplog.text
        assert "'empty' has no files. Nothing is sent or deleted for it." in caplog.text


class TestFolderSeparator:
    """For a service that keeps no folders in the names of files."""

    def read(self, top: Path, separator: object) -> list[list[str]]:
        for name in ("a/left/x.csv", "a/right/x.csv", "a/y.csv"):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text("1")
        include = ["**/left/*.csv", "**/right/*.csv", "y.csv"]
        tree = read(source=str(top), include=include, folder_separator=separator)
        return [sorted(file.name for file in item.files) for item in tree.items]

    def test_a_separator_replaces_slashes_after_patterns_were_applied(self, tmp_path: Path) -> None:
        assert self.read(tmp_path, "__") == [["left__x.csv", "right__x.csv", "y.csv"]]

    @pytest.mark.parametrize("separator", [None, ""])
    def test_a_separator_is_optional(self, tmp_path: Path, separator: object) -> None:
        assert self.read(tmp_path, separator) == [["left/x.csv", "right/x.csv", "y.csv"]]

    @pytest.mark.parametrize("separator", ["/", "a/b", "\\", "\n", " ", ["_"]])
    def test_an_invalid_separator_is_refused(self, tmp_path: Path, separator: object) -> None:
        with pytest.raises(EdgeImpulseInputError, match="folder_separator"):
            self.read(tmp_path, separator)
