"""The checked arguments of a dataset sync, and shards of its items."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, get_type_hints

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.numeric import whole_number
from airflow_provider_ei.sources.names import check_text
from airflow_provider_ei.sync.checks import check_bucket, check_choice, is_missing, optional_text
from airflow_provider_ei.sync.dataset.delete_limit import DEFAULT_LIMIT, DeleteLimit, check_max_delete
from airflow_provider_ei.sync.metadata import metadata_strings

#: Maximum number of threads of one sync, and so of connections to the service.
MAX_WORKERS = 64

#: What may be deleted: nothing; items that the source no longer has; or also items that the patterns exclude.
DELETE_MODES = ("never", "extra", "extra-and-excluded")

#: The sync id of a sync without an explicit one.
DEFAULT_SYNC_ID = "default"


@dataclass(frozen=True)
class ItemContext:
    """What metadata templates can use of their data item, as in ``{{ item.name }}``.

    :ivar name: the data item's name.
    :ivar file_count: number of its files.
    :ivar total_bytes: total size of its files in bytes.
    """

    name: str
    file_count: int
    total_bytes: int


#: Metadata for all items, or a function that returns the metadata of one item.
GivenMetadata = Mapping[str, object] | Callable[[ItemContext], Mapping[str, object] | None] | None


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
        """Return all shards of a given count."""
        return [cls(number, count) for number in range(count)]

    def has(self, name: str) -> bool:
        """Return whether the item of that name is in the shard."""
        return int.from_bytes(hashlib.sha256(name.encode(errors="surrogatepass")).digest()[:8]) % self.of == self.number


def _check_source(name: str, value: object) -> str | None:
    return None if is_missing(value) else check_text(name, value if isinstance(value, str) else str(value))


def _check_depth(name: str, value: object) -> int:
    depth = whole_number(name, value)
    if depth is None:
        raise EdgeImpulseInputError(f"{name} must be a number from 1 on, not {value!r}.")
    return depth


def _check_metadata(name: str, value: GivenMetadata) -> GivenMetadata:
    return value if callable(value) else metadata_strings(value)


def _check_separator(name: str, value: object) -> str | None:
    separator = optional_text(name, value)
    if set(separator or "") & set("/\\"):
        raise EdgeImpulseInputError(f"{name} must not have slashes, such as '__', and is {separator!r}.")
    return separator


def _check_delete(name: str, value: object) -> str:
    return str(check_choice(name, value, DELETE_MODES))


def _check_comparison(name: str, value: object) -> str:
    return str(check_choice(name, value, ("digest", "size")))


def check_workers(name: str, value: object) -> int:
    """Read the number of threads."""
    workers = whole_number(name, value)
    if workers is None or workers > MAX_WORKERS:
        raise EdgeImpulseInputError(f"{name} must be a number from 1 to {MAX_WORKERS}, not {value!r}.")
    return workers


def check_sync_id(name: str, value: object) -> str:
    """Read a sync id; without one, it is the default."""
    return check_text(name, value or DEFAULT_SYNC_ID)


@dataclass(frozen=True, kw_only=True)
class SyncOptions:
    """The arguments of ``EdgeImpulseHook.sync_dataset``, which documents them, checked on creation.

    Each argument is annotated with the function that checks it; it takes the name and the value, and returns the
    checked value.

    :ivar source: a path or URI; or
    :ivar items: the list of items, as given.
    :ivar metadata: strings for all items, or a function that returns the metadata of each item.
    :ivar shard: the shard to sync; None for all items.
    :raises EdgeImpulseInputError: with the name of the argument and its value.
    """

    dataset: Annotated[str, check_text]
    source: Annotated[str | None, _check_source] = None
    items: object = None
    include: object = None
    exclude: object = None
    depth: Annotated[int, _check_depth] = 1
    metadata: Annotated[GivenMetadata, _check_metadata] = None
    folder_separator: Annotated[str | None, _check_separator] = None
    bucket_name: Annotated[str | None, optional_text] = None
    bucket_id: Annotated[int | None, whole_number] = None
    delete: Annotated[str, _check_delete] = "never"
    max_delete: Annotated[DeleteLimit, check_max_delete] = DEFAULT_LIMIT
    comparison: Annotated[str, _check_comparison] = "digest"
    workers: Annotated[int, check_workers] = 8
    sync_id: Annotated[str, check_sync_id] = ""
    shard: Shard | None = None

    def __post_init__(self) -> None:
        names_sync = bool(self.sync_id)
        for name, check in _checks().items():
            object.__setattr__(self, name, check(name, getattr(self, name)))
        check_bucket(self.bucket_name, self.bucket_id)
        if self.deletes and not names_sync:
            raise EdgeImpulseInputError(
                f"delete={self.delete!r} needs a sync_id, which tells this sync's items from others."
            )

    @property
    def sizes_only(self) -> bool:
        """Whether files of the same names and sizes count as the same, without reading them."""
        return self.comparison == "size"

    @property
    def deletes(self) -> bool:
        """Whether items of this sync that the source no longer has are deleted."""
        return self.delete != "never"

    @property
    def deletes_excluded(self) -> bool:
        """Whether items whose files the patterns all exclude are also deleted."""
        return self.delete == "extra-and-excluded"

    def takes(self, name: str) -> bool:
        """Return whether an item is in the shard to sync."""
        return self.shard is None or self.shard.has(name)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the arguments."""
        return tuple(one.name for one in fields(cls))


@cache
def _checks() -> Mapping[str, Callable[[str, Any], object]]:
    """Return the functions that check the arguments, by the arguments' names."""
    hints = get_type_hints(SyncOptions, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}
