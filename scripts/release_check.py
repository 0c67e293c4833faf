"""Check what is about to be released: version, changelog, tag, and what is in dist/.

usage: python scripts/release_check.py, after scripts/build.sh. Prints what is wrong, and fails if anything is.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "airflow_provider_ei"
#: What the package reads at run time and is not Python.
DATA_SUFFIXES = {".html", ".js", ".css", ".svg", ".json", ".typed"}
#: What the sdist needs to build, test and document itself.
SDIST_HAS = {
    ".ci/run",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "NOTICE",
    "README.md",
    "SECURITY.md",
    "docs/conf.py",
    "hatch_build.py",
    "pyproject.toml",
    "requirements/airflow-3.3.txt",
    "requirements/uv.txt",
    "scripts/setup_venv.sh",
    "tests/conftest.py",
}


def version() -> str:
    """The version that the package says it has."""
    (found,) = re.findall(r'^__version__ = "(.+)"$', (ROOT / NAME / "__init__.py").read_text(), re.M)
    return str(found)


def changelog_problems(text: str, version: str, tag: str | None) -> Iterator[str]:
    """Compare the headings with keepachangelog.com's form and with the version."""
    headings = re.findall(r"^## (.+)$", text, re.M)
    if not headings or headings[0] != "[Unreleased]":
        yield "CHANGELOG.md: the first entry must be [Unreleased]."
    released = [heading for heading in headings if heading != "[Unreleased]"]
    for heading in released:
        if not re.fullmatch(r"\[\d+\.\d+\.\d+\S*\] - \d{4}-\d\d-\d\d", heading):
            yield f"CHANGELOG.md: write '## [1.2.3] - 2030-12-31', not {heading!r}."
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Renamed", "Breaking"}
    for kind in set(re.findall(r"^### (.+)$", text, re.M)) - kinds:
        yield f"CHANGELOG.md: {kind!r} is not one of {', '.join(sorted(kinds))}."
    if tag and not any(heading.startswith(f"[{version}] ") for heading in released[:1]):
        yield f"CHANGELOG.md: the tagged version {version} must have the first entry after [Unreleased]."


def tag() -> str | None:
    """The tag of the commit that is checked out; None without one, and without git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--tags", "--exact-match"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


def sources() -> set[str]:
    """Files of the package that belong into the wheel."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / NAME).rglob("*")
        if path.suffix == ".py" or path.suffix in DATA_SUFFIXES or path.name == "py.typed"
    }


def wheel_problems(path: Path, version: str, sources: set[str]) -> Iterator[str]:
    """Compare the wheel with the sources, and check its metadata."""
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        info = f"{NAME}-{version}.dist-info/"
        metadata = Parser().parsestr(wheel.read(f"{info}METADATA").decode())
        entry_points = wheel.read(f"{info}entry_points.txt").decode()
    files = {name for name in names if not name.startswith(info)}
    for name in sorted(sources - files):
        yield f"{path.name}: lacks {name}."
    for name in sorted(files - sources):
        yield f"{path.name}: must not have {name}."
    for name in ("LICENSE", "NOTICE"):
        if f"{info}licenses/{name}" not in names:
            yield f"{path.name}: lacks {name}."
    yield from readme_problems(str(metadata.get_payload()))
    if metadata["Version"] != version:
        yield f"{path.name}: says version {metadata['Version']}, the package {version}."
    for group in ("apache_airflow_provider", "airflow.plugins"):
        if f"[{group}]" not in entry_points:
            yield f"{path.name}: lacks the entry point {group}."
    if {"dev", "docs", "test"} & set(metadata.get_all("Provides-Extra", [])):
        yield f"{path.name}: what developers need must be a dependency group, not an extra."


def sdist_problems(path: Path, sources: set[str]) -> Iterator[str]:
    """Check that the sdist has what it builds and tests itself with, and nothing that a run has left."""
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for name in sorted((SDIST_HAS | sources) - names):
        yield f"{path.name}: lacks {name}."
    for name in sorted(names):
        if re.search(r"__pycache__|\.pyc$|^\.venv|^docs/_build|^dist/|(^|/)\.coverage", name):
            yield f"{path.name}: must not have {name}."


def twine_problems(paths: list[Path]) -> Iterator[str]:
    """Let twine check the metadata, and that the package index can render the README."""
    done = subprocess.run(
        [sys.executable, "-m", "twine", "--no-color", "check", "--strict", *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        yield done.stdout + done.stderr


def readme_problems(text: str) -> Iterator[str]:
    """Find links that lead nowhere on the package index, which has the README alone."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    for link in re.findall(r"\]\(<?([^)\s>]+)>?\)", prose):
        if not link.startswith(("https://", "http://", "#")):
            yield f"README.md: on the package index, {link} leads nowhere; see hatch_build.py."


def problems() -> Iterator[str]:
    """Everything that is wrong."""
    number = version()
    yield from changelog_problems((ROOT / "CHANGELOG.md").read_text(), number, tag())
    if (name := tag()) and name.removeprefix("v") != number:
        yield f"The tag is {name}, the version {number}."
    wheel = ROOT / "dist" / f"{NAME}-{number}-py3-none-any.whl"
    sdist = ROOT / "dist" / f"{NAME}-{number}.tar.gz"
    if missing := [path.name for path in (wheel, sdist) if not path.exists()]:
        yield f"Run `make dist`: {', '.join(missing)} is missing in dist/."
        return
    yield from wheel_problems(wheel, number, sources())
    yield from sdist_problems(sdist, sources())
    yield from twine_problems([wheel, sdist])


def main() -> int:
    """Print what is wrong; return the exit code."""
    found = list(problems())
    for problem in found:
        print(problem, file=sys.stderr)
    if not found:
        print(f"{version()} can be released" + ("." if tag() else ", once it has a tag."))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
