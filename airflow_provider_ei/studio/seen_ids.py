"""A compact set of the ids that a listing has seen."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence


class SeenIds:
    """Ids of data items; each takes 8 bytes if they are added in order."""

    def __init__(self) -> None:
        self._rising = array("q")
        self._falling = array("q")  # negated, so that the array is ascending
        self._others: set[int] = set()

    def __len__(self) -> int:
        return len(self._rising) + len(self._falling) + len(self._others)

    def __contains__(self, number: int) -> bool:
        return number in self._others or _has(self._rising, number) or _has(self._falling, -number)

    def add(self, numbers: Sequence[int]) -> None:
        """Add ids that are not yet in the set."""
        for number in numbers:
            if number >= 2**63:
                self._others.add(number)
            elif not self._rising or number > self._rising[-1]:
                self._rising.append(number)
            elif not self._falling or -number > self._falling[-1]:
                self._falling.append(-number)
            else:
                self._others.add(number)


def _has(rising: array[int], number: int) -> bool:
    if not rising or number > rising[-1]:
        return False
    place = bisect_left(rising, number)
    return rising[place] == number
