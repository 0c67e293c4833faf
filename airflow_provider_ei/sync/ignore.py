"""Which files of a source take part, by patterns as ``.gitignore`` writes them."""

from __future__ import annotations

from collections.abc import Sequence

import pathspec

from airflow_provider_ei.exceptions import EdgeImpulseInputError


class Filter:
    """Include and exclude patterns; paths are relative to the source, with ``/`` between folders.

    :param include: a file takes part when one of these patterns matches it; None for all.
    :param exclude: and none of these does; a pattern with ``!`` takes one back.
    :raises EdgeImpulseInputError: when they are no texts, or no patterns.
    """

    def __init__(self, include: object = None, exclude: object = None) -> None:
        self._include = _spec("include", include)
        self._exclude = _spec("exclude", exclude)

    def takes(self, path: str) -> bool:
        """Whether a file takes part."""
        if self._include is not None and not self._include.match_file(path):
            return False
        return self._exclude is None or not self._exclude.match_file(path)

    def enters(self, folder: str) -> bool:
        """Whether anything below a folder can take part; as in git, nothing can below an excluded one."""
        return self._exclude is None or not self._exclude.match_file(folder + "/")


def _spec(field: str, patterns: object) -> pathspec.GitIgnoreSpec | None:
    if patterns is None or patterns == "" or patterns == []:
        return None
    lines = patterns.splitlines() if isinstance(patterns, str) else patterns
    if not isinstance(lines, Sequence) or not all(isinstance(line, str) for line in lines):
        raise EdgeImpulseInputError(
            f"{field} must be a list of patterns as in .gitignore, such as ['*.csv', '!raw/'], not {patterns!r}."
        )
    try:
        return pathspec.GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise EdgeImpulseInputError(f"{field}: {error}") from None
