"""What a dataset sync may do, and which part of it one task does."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from airflow_provider_ei.exceptions import EdgeImpulseInputError


@dataclass(frozen=True)
class Shard:
    """A part of a sync's items, the same on every machine."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not isinstance(self.number, int) or not isinstance(self.of, int) or not 0 <= self.number < self.of:
            raise EdgeImpulseInputError(f"Give a shard as number and count, 0 <= number < count, not {self}.")

    @classmethod
    def all(cls, count: int) -> list[Shard]:
        """Return all of so many shards."""
        return [cls(number, count) for number in range(count)]

    def has(self, name: str) -> bool:
        """Whether the item of that name is in it."""
        return int.from_bytes(hashlib.sha256(name.encode(errors="surrogatepass")).digest()[:8]) % self.of == self.number


@dataclass(frozen=True)
class SyncOptions:
    """What a sync may do.

    :ivar sync_id: tells its items from those of other syncs.
    :ivar sizes_only: take files of the same names and sizes for the same, without reading them.
    :ivar delete: remove items of this sync that the source no longer has.
    :ivar delete_excluded: remove also those that it has, and of which the patterns leave nothing.
    :ivar most_deletes: of them, at most so many; None for no limit in numbers.
    :ivar largest_part: of them, at most this part of all items of this sync.
    :ivar bucket_name: where new items go, or
    :ivar bucket_id: the same by number.
    :ivar shard: of so many shards, the one to do; None for all items.
    """

    sync_id: str
    sizes_only: bool = False
    delete: bool = False
    delete_excluded: bool = False
    most_deletes: int | None = None
    largest_part: float = 0.5
    bucket_name: str | None = None
    bucket_id: int | None = None
    shard: Shard | None = None
