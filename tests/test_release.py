"""The checks that a release and the words of the tree have to pass find what they are there for."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from hatch_build import readme_for_the_index
from scripts import check_words, release_check

METADATA = "Metadata-Version: 2.4\nName: airflow-provider-ei\nVersion: 0.1.0\n\n[docs](https://example.org/docs)\n"
SOURCES = {"airflow_provider_ei/__init__.py", "airflow_provider_ei/py.typed"}
INFO = "airflow_provider_ei-0.1.0.dist-info"
GOOD = {
    **dict.fromkeys(SOURCES, ""),
    f"{INFO}/METADATA": METADATA,
    f"{INFO}/entry_points.txt": "[apache_airflow_provider]\n[airflow.plugins]\n",
    f"{INFO}/licenses/LICENSE": "",
    f"{INFO}/licenses/NOTICE": "",
}


def wheel(folder: Path, files: dict[str, str]) -> Path:
    path = folder / "x.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


class TestReadmeOnThePackageIndex:
    TEXT = "![Picture](docs/a.png)\n[One](docs/a.md) [two](#b) [three](https://c)\n```\n[code](x)\n```\n"

    def test_links_lead_to_the_repository(self) -> None:
        text = readme_for_the_index(self.TEXT, "https://host/p/blob/v1")
        assert "![Picture](https://host/p/blob/v1/docs/a.png?raw=true)" in text
        assert "[One](https://host/p/blob/v1/docs/a.md) [two](#b) [three](https://c)" in text
        assert "[code](x)" in text

    def test_without_a_repository_only_their_words_remain(self) -> None:
        text = readme_for_the_index(self.TEXT, None)
        assert text == "\nOne [two](#b) [three](https://c)\n```\n[code](x)\n```\n"
        assert list(release_check.readme_problems(text)) == []

    def test_a_link_to_a_file_is_a_problem(self) -> None:
        assert len(list(release_check.readme_problems(self.TEXT))) == 2


class TestWheel:
    def test_a_complete_wheel_has_no_problem(self, tmp_path: Path) -> None:
        assert list(release_check.wheel_problems(wheel(tmp_path, GOOD), "0.1.0", SOURCES)) == []

    @pytest.mark.parametrize("name", sorted(set(GOOD) - {f"{INFO}/METADATA", f"{INFO}/entry_points.txt"}))
    def test_a_missing_file_is_a_problem(self, tmp_path: Path, name: str) -> None:
        files = {other: text for other, text in GOOD.items() if other != name}
        (problem,) = release_check.wheel_problems(wheel(tmp_path, files), "0.1.0", SOURCES)
        assert Path(name).name in problem

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"tests/test_x.py": ""}, id="tests"),
            pytest.param({f"{INFO}/METADATA": METADATA.replace("0.1.0", "0.2.0")}, id="version"),
            pytest.param({f"{INFO}/METADATA": METADATA.replace("\n\n", "\nProvides-Extra: dev\n\n")}, id="extra"),
            pytest.param({f"{INFO}/METADATA": METADATA.replace("https://example.org/", "")}, id="link"),
            pytest.param({f"{INFO}/entry_points.txt": "[airflow.plugins]\n"}, id="entry point"),
        ],
    )
    def test_wrong_content_is_a_problem(self, tmp_path: Path, change: dict[str, str]) -> None:
        assert len(list(release_check.wheel_problems(wheel(tmp_path, GOOD | change), "0.1.0", SOURCES))) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda names: names - {"requirements/uv.txt"}, "lacks requirements/uv.txt", id="missing"),
        pytest.param(lambda names: names | {"docs/_build/index.html"}, "must not have docs/_build", id="left over"),
        pytest.param(lambda names: names, None, id="complete"),
    ],
)
def test_an_sdist_needs_what_it_tests_itself_with(tmp_path: Path, change: object, words: str | None) -> None:
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in change(release_check.SDIST_HAS | SOURCES):  # type: ignore[operator]
            archive.addfile(tarfile.TarInfo(f"x-1/{name}"), io.BytesIO())
    problems = list(release_check.sdist_problems(path, SOURCES))
    assert [words in problem for problem in problems if words] == [True] * (words is not None)
    assert bool(problems) is (words is not None)


@pytest.mark.parametrize(
    ("text", "tag", "problems"),
    [
        ("## [Unreleased]\n### Added\n## [0.1.0] - 2030-01-31\n### Fixed\n", "v0.1.0", 0),
        ("## [Unreleased]\n", None, 0),
        ("## [Unreleased]\n", "v0.1.0", 1),
        ("## [0.1.0] - 2030-01-31\n", None, 1),
        ("## [Unreleased]\n## 0.1.0, soon\n", None, 1),
        ("## [Unreleased]\n### News\n", None, 1),
    ],
)
def test_the_changelog_has_the_form_and_the_version(text: str, tag: str | None, problems: int) -> None:
    assert len(list(release_check.changelog_problems(text, "0.1.0", tag))) == problems


def test_avoided_wordings_are_found_also_across_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_words, "ROOT", tmp_path)
    (tmp_path / "x.py").write_text("# There is no such file. It is\n# n" + "o scalar.\n# A time" + "-out.\n")
    found = list(check_words.wordings("x.py", check_words.avoided()))
    assert [problem.split("; write")[0] for problem in found] == ["x.py:3: 'time" + "-out'", "x.py:1: 'is # n" + "o'"]
