"""The ways to go wrong that the exhaustive tests try, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.support.studio import CHANGING, UPLOADS


@dataclass(frozen=True)
class Kind:
    """A way to go wrong, and whether it stands for others in a pair."""

    name: str
    fault: str
    options: Mapping[str, Any] = field(default_factory=dict)
    at: Sequence[str] | None = CHANGING
    in_pairs: bool = True


KINDS = (
    Kind("drop_before", "drop_before", at=None),
    Kind("drop_after", "drop_after"),
    Kind("store_late", "store_late"),
    Kind("success_false", "success_false", at=None),
    Kind("429", "status", {"status": 429}),
    Kind("503", "status", {"status": 503}, at=None, in_pairs=False),
    Kind("cut_body", "cut_body", {"after_bytes": 200}, at=UPLOADS, in_pairs=False),
)


class Place(NamedTuple):
    """The request to go wrong: the one that ``at`` of that operation come before."""

    at: int
    kind: Kind
    operation: str = "*"


def places(operations: Sequence[str | None], begin: int = 0, kinds: Sequence[Kind] = KINDS) -> Iterator[Place]:
    """Every kind at every request."""
    for at in range(begin, len(operations)):
        for kind in kinds:
            if kind.at is None or operations[at] in kind.at:
                yield Place(at, kind)
