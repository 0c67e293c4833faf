"""Build data items for tests: wanted, listed, pending and complete ones, and the state that their metadata carry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow_provider_ei.emulator import StoredItem
from airflow_provider_ei.studio.models import DataFile, DataItem
from airflow_provider_ei.sync.digest import canonical
from airflow_provider_ei.sync.item.wanted import WantedItem
from airflow_provider_ei.sync.item_state import ItemState, complete_metadata, pending_metadata
from airflow_provider_ei.sync.metadata import STATE_KEY
from tests.support.files import made_up, sha256

#: The run that the test plans for, in the state of a pending item.
RUN = "this run"


def wanted_item(
    files: Mapping[str, bytes] | Sequence[Any], metadata: Mapping[str, str] | None = None, *, read: bool = False
) -> WantedItem:
    """An item that is wanted; with ``read``, the hashes of its files are known."""
    sources = made_up(files) if isinstance(files, Mapping) else list(files)
    hashes = {file.name: sha256(file.data) for file in sources} if read else {}
    return WantedItem("run 1", "d", sources, dict(metadata or {}), hashes=hashes)


def listed_item(
    files: Mapping[str, bytes | int], metadata: Mapping[str, str] | None = None, *, data_id: int = 1
) -> DataItem:
    """An item as the service lists it, with contents or sizes of its files."""
    sizes = {name: data if isinstance(data, int) else len(data) for name, data in files.items()}
    return DataItem(
        id=data_id,
        name="run 1",
        dataset="d",
        total_file_count=len(sizes),
        total_file_size=sum(sizes.values()),
        created=datetime(2024, 1, 1, tzinfo=UTC),
        metadata=dict(metadata or {}),
        files=tuple(DataFile(name=name, size=size) for name, size in sizes.items()),
    )


def complete(
    files: Mapping[str, bytes],
    metadata: Mapping[str, str] | None = None,
    *,
    name: str = "run 1",
    dataset: str = "d",
    run: str = "some run",
    **more: Any,
) -> dict[str, str]:
    """The metadata of an item that an upload of these files has left.

    :param more: other facts of the state, such as ``sync``.
    """
    item = wanted_item(files, metadata, read=True)
    state = ItemState(name, dataset, "complete", run, digest=item.digest, files=item.files_digest, **more)
    return complete_metadata(None, item.metadata, state)


def pending(metadata: Mapping[str, str] | None = None, *, name: str = "run 1", **more: Any) -> dict[str, str]:
    """The metadata of an item whose upload has begun."""
    return pending_metadata(None, dict(metadata or {}), ItemState(name, "d", "pending", RUN, **more))


def changed_state(metadata: Mapping[str, str], **changes: Any) -> dict[str, str]:
    """The metadata with other facts in the state that we keep there; None takes one away."""
    state = json.loads(metadata[STATE_KEY]) | changes
    return {
        **metadata,
        STATE_KEY: canonical({key: value for key, value in state.items() if value is not None}).decode(),
    }


def state_of(item: StoredItem) -> ItemState | None:
    """What we have written about an item that the server stores."""
    return ItemState.of(as_listed(item))


def as_listed(item: StoredItem) -> DataItem:
    """A stored item, as a listing has it."""
    return DataItem(
        id=item.id,
        name=item.name,
        dataset=item.dataset,
        total_file_count=item.file_count,
        total_file_size=item.total_size,
        created=datetime.fromisoformat(item.created),
        metadata=item.metadata,
        files=tuple(DataFile(name=file.name, size=file.size) for file in item.files),
    )


def users_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Without our state, and without what was blanked because nothing could remove it."""
    return {key: value for key, value in metadata.items() if key != STATE_KEY and value}
