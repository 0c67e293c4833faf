"""Patterns: the same files take part that git would see, had it the patterns in its ``.gitignore``."""

from __future__ import annotations

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.sources.ignore import Filter

PATHS = [
    *("s1/x.csv", "s1/x.tmp", "s1/raw/a.bin", "s1/raw/keep.bin", "s1/drafts/y.csv"),
    *("drafts/x.csv", "drafts/keep.csv", "a b/x.csv", "s1/!x", "s1/#x", "S1/X.CSV", "top.csv", "s1/é.csv"),
]


def walked(takes: Filter) -> set[str]:
    """What is left for one who goes through the folders."""
    return {
        path
        for path in PATHS
        if takes.takes(path) and all(takes.enters(path[:end]) for end in range(len(path)) if path[end] == "/")
    }


@pytest.mark.parametrize(
    ("exclude", "gone"),
    [
        pytest.param(["*.tmp"], {"s1/x.tmp"}, id="a name, wherever it is"),
        pytest.param(["drafts/"], {"drafts/x.csv", "drafts/keep.csv", "s1/drafts/y.csv"}, id="folders"),
        pytest.param(["/drafts/"], {"drafts/x.csv", "drafts/keep.csv"}, id="a folder at the top"),
        pytest.param(["drafts/x.csv"], {"drafts/x.csv"}, id="a path"),
        pytest.param(["drafts/*", "!drafts/keep.csv"], {"drafts/x.csv"}, id="taken back"),
        pytest.param(["/drafts/", "!drafts/keep.csv"], {"drafts/x.csv", "drafts/keep.csv"}, id="below an excluded one"),
        pytest.param(["*.bin", "!keep.bin"], {"s1/raw/a.bin"}, id="all but one"),
        pytest.param(["!keep.bin", "*.bin"], {"s1/raw/a.bin", "s1/raw/keep.bin"}, id="the last one counts"),
        pytest.param(["*", "!*/", "!*.csv"], {p for p in PATHS if not p.endswith(".csv")}, id="only some, in folders"),
        pytest.param(["/*", "!/s1/"], {p for p in PATHS if not p.startswith("s1/")}, id="only one folder"),
        pytest.param(["*", "!s1/"], set(PATHS), id="a folder, and nothing in it"),
        pytest.param(["s1/**/a.bin"], {"s1/raw/a.bin"}, id="any number of folders"),
        pytest.param(["?1/*.csv"], {"s1/x.csv", "s1/é.csv"}, id="one character"),
        pytest.param(["\\!x", "\\#x", "# a comment", ""], {"s1/!x", "s1/#x"}, id="escaped"),
        pytest.param(["é.csv "], {"s1/é.csv"}, id="spaces at the end"),
        pytest.param(["*.csv/"], set(), id="folders only"),
    ],
)
class TestExclude:
    def test_a_walk_leaves_out_what_git_would_ignore(self, exclude: list[str], gone: set[str]) -> None:
        assert set(PATHS) - walked(Filter(exclude=exclude)) == gone

    def test_lines_of_a_string_are_patterns(self, exclude: list[str], gone: set[str]) -> None:
        assert set(PATHS) - walked(Filter(exclude="\n".join(exclude))) == gone


class TestInclude:
    def test_only_matching_files_are_included(self) -> None:
        assert walked(Filter(include=["*.bin", "/top.csv"])) == {"s1/raw/a.bin", "s1/raw/keep.bin", "top.csv"}

    def test_a_folder_is_included_with_all_below_it(self) -> None:
        assert walked(Filter(include=["raw/"])) == {"s1/raw/a.bin", "s1/raw/keep.bin"}

    def test_a_pattern_can_take_back_an_inclusion(self) -> None:
        assert walked(Filter(include=["s1/", "!*.csv"])) == {
            "s1/x.tmp",
            "s1/raw/a.bin",
            "s1/raw/keep.bin",
            "s1/!x",
            "s1/#x",
        }

    def test_an_excluded_file_is_not_included_again(self) -> None:
        assert walked(Filter(include=["*.bin"], exclude=["keep.bin"])) == {"s1/raw/a.bin"}


@pytest.mark.parametrize("nothing", [None, "", [], ()], ids=repr)
def test_no_patterns_take_everything(nothing: object) -> None:
    assert walked(Filter(nothing, nothing)) == set(PATHS)


@pytest.mark.parametrize("text", ["['*.tmp', 'raw/']", '["*.tmp", "raw/"]'], ids=["Python", "JSON"])
def test_a_list_that_a_template_rendered_is_read(text: str) -> None:
    assert set(PATHS) - walked(Filter(exclude=text)) == {"s1/x.tmp", "s1/raw/a.bin", "s1/raw/keep.bin"}
    assert walked(Filter(include=text)) == {"s1/x.tmp", "s1/raw/a.bin", "s1/raw/keep.bin"}


def test_a_pattern_that_begins_with_a_bracket_is_not_a_list() -> None:
    assert set(PATHS) - walked(Filter(exclude="[st]*.tmp\n[t]op.csv")) == {"top.csv"}


@pytest.mark.parametrize("field", ["include", "exclude"])
@pytest.mark.parametrize("patterns", [7, {"a": 1}, ["*.csv", 7], [["*.csv"]], b"*.csv", True])
def test_what_is_not_a_list_of_patterns_is_refused(field: str, patterns: object) -> None:
    with pytest.raises(EdgeImpulseInputError, match=f"^{field} must be a list of patterns"):
        Filter(**{field: patterns})


@pytest.mark.parametrize("pattern", ["!", "a/***/!b\\"])
def test_an_invalid_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(EdgeImpulseInputError, match=r"^exclude: "):
        Filter(exclude=[pattern])
