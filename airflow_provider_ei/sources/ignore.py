"""Filters the files of a source by patterns as in ``.gitignore``."""

from __future__ import annotations

from collections.abc import Sequence

import pathspec

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.sources.literals import parse_literal


class Filter:
    """Include and exclude patterns for paths relative to the source, with ``/`` between folders.

    :param include: a file is included if one of these patterns matches it; None for all files.
    :param exclude: a file is excluded if one of these patterns matches it; a pattern with ``!`` includes it again.
    :raises EdgeImpulseInputError: when they are not strings, or not valid patterns.
    """

    def __init__(self, include: object = None, exclude: object = None) -> None:
        excluded = _lines("exclude", exclude)
        self._include = _spec("include", _lines("include", include))
        self._exclude = _spec("exclude", excluded)
        # These patterns are matched against folders only, so ``raw/`` and ``!*/`` need no trailing slash.
        self._excluded_folders = _spec("exclude", [line.rstrip().rstrip("/") or line for line in excluded])

    @property
    def takes_all(self) -> bool:
        """Whether there are no patterns, so that every file is included."""
        return self._include is None and self._exclude is None

    def takes(self, path: str) -> bool:
        """Return whether a file is included, given that its folder is entered."""
        if self._include is not None and not self._include.match_file(path):
            return False
        return self._exclude is None or not self._exclude.match_file(path)

    def enters(self, folder: str) -> bool:
        """Return whether files below a folder can be included; as in git, none can below an excluded folder."""
        return self._excluded_folders is None or not self._excluded_folders.match_file(folder)


def _lines(field: str, patterns: object) -> Sequence[str]:
    if patterns is None:
        return ()
    lines = parse_literal(patterns) if isinstance(patterns, str) else patterns  # a template that rendered to a list
    if isinstance(lines, str):
        lines = lines.splitlines()
    if not isinstance(lines, Sequence) or not all(isinstance(line, str) for line in lines):
        raise EdgeImpulseInputError(
            f"{field} must be a list of patterns as in .gitignore, such as ['*.csv', '!raw/'], not {patterns!r}."
        )
    return lines


def _spec(field: str, lines: Sequence[str]) -> pathspec.GitIgnoreSpec | None:
    try:
        return pathspec.GitIgnoreSpec.from_lines(lines) if lines else None
    except ValueError as error:
        raise EdgeImpulseInputError(f"{field}: {error}") from None
