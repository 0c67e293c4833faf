"""Look for misspellings, British spelling and wordings that this project avoids.

usage: python scripts/check_words.py [FILE ...]
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORDS = ROOT / "scripts" / "words"
FOLDERS = ("airflow_provider_ei", "tests", "docs", "example_dags", "scripts", "bench", "requirements", ".ci")
SUFFIXES = {".py", ".md", ".rst", ".sh", ".html", ".js", ".css", ".in", ".toml", ""}
#: Made by tools, or by others.
SKIP = ("docs/_build/", "scripts/words/", "tests/openapi/", "bench/sink/")


def lines_of(path: Path) -> list[str]:
    """The lines of a list, without comments."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def avoided() -> list[tuple[re.Pattern[str], str]]:
    """The wordings to avoid, each with what to write instead."""
    pairs = (line.split(" => ") for line in lines_of(WORDS / "avoid.txt"))
    return [(re.compile(pattern, re.I), instead) for pattern, instead in pairs]


def files() -> Iterator[str]:
    """Everything that people read, as paths relative to the repository."""
    top = (
        path for path in ROOT.iterdir() if path.suffix in (".md", ".py", ".toml") or path.name in ("Makefile", "NOTICE")
    )
    for path in sorted([*top, *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file())]):
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in SUFFIXES and not name.startswith(SKIP) and "__pycache__" not in name:
            yield name


def wordings(name: str, patterns: Iterable[tuple[re.Pattern[str], str]]) -> Iterator[str]:
    """Yield each avoided wording of a file, also where it spans two lines."""
    text = (ROOT / name).read_text()
    for pattern, instead in patterns:
        spanning = re.compile(pattern.pattern.replace(" ", r"(?:\s+(?:#:? )?)"), re.I)
        for found in spanning.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{name}:{line}: {' '.join(found[0].split())!r}; write: {instead}"


def misspellings(names: list[str]) -> list[str]:
    """What codespell finds."""
    done = subprocess.run([sys.executable, "-m", "codespell_lib", *names], cwd=ROOT, capture_output=True, text=True)
    if done.stderr and done.returncode:
        return [done.stderr.strip()]
    return done.stdout.splitlines()


def problems(names: list[str]) -> list[str]:
    """Everything that is wrong with these files."""
    patterns = avoided()
    found = misspellings(names) if names else []
    return [*found, *(problem for name in names for problem in wordings(name, patterns))]


def main(given: list[str]) -> int:
    """Print what is wrong in these files, or everywhere; return the exit code."""
    found = problems(given or list(files()))
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
