"""A folder, an emulated Studio, and a sync between them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, RequestRecord
from airflow_provider_ei.emulator.stored_data import StoredItem
from airflow_provider_ei.exceptions import EdgeImpulseSyncError
from airflow_provider_ei.results import SyncSummary
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.sync.dataset import sidecar
from airflow_provider_ei.sync.dataset.options import MAX_WORKERS, Shard, SyncOptions
from airflow_provider_ei.sync.dataset.read_source import read_source
from airflow_provider_ei.sync.dataset.sync import DatasetSync
from tests.support.files import made_up, no_store
from tests.support.items import state_of, users_metadata, wanted_item
from tests.support.studio import LIST, changes, contents

METADATA = {"study": "sleep"}


class SyncLab:
    """A folder and a dataset ``d`` that is to hold it.

    :ivar client: what the sync talks through.
    :ivar someone: what others do.
    :ivar opened: paths of the files that were opened, relative to the folder.
    :ivar on_open: called with each of them before it is opened.
    """

    def __init__(self, server: EmulatorServer, top: Path, open_api: Callable[..., OrganizationDataApi]) -> None:
        self.server = server
        self.top = top
        self._open_api = open_api
        self.api = self.other_api()
        self.someone = self.other_api()
        self.opened: list[str] = []
        self.on_open: Callable[[str], None] = lambda path: None
        self._time = 1_600_000_000_123_456_789

    # --- the folder -------------------------------------------------------------------------------------------

    def write(self, files: Mapping[str, bytes | str]) -> None:
        """Write files; each has a time of its own, long ago."""
        for name, data in files.items():
            path = self.top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.encode() if isinstance(data, str) else data)
            self.touch(name)

    def touch(self, *names: str) -> None:
        """Give files another time."""
        for name in names:
            self._time += 1_000_000_000
            os.utime(self.top / name, ns=(self._time, self._time))

    def remove(self, *names: str) -> None:
        """Remove files, and folders that have none left."""
        for name in names:
            (self.top / name).unlink()
            if not any((self.top / name).parent.iterdir()):
                (self.top / name).parent.rmdir()

    def trees(self) -> dict[str, dict[str, bytes]]:
        """The files of each item, as they are on the disk."""
        return {
            folder.name: {
                str(path.relative_to(folder)): path.read_bytes()
                for path in sorted(folder.rglob("*"))
                if path.is_file() and path.name != sidecar.NAME
            }
            for folder in sorted(self.top.iterdir())
            if folder.is_dir()
        }

    # --- the sync ---------------------------------------------------------------------------------------------

    def prepare(
        self,
        *,
        api: OrganizationDataApi | None = None,
        metadata: Any = METADATA,
        workers: int = 4,
        depth: int = 1,
        exclude: Any = None,
        shard: Shard | None = None,
        **more: Any,
    ) -> DatasetSync:
        """Look at the folder."""
        options = SyncOptions(
            dataset="d",
            source=str(self.top),
            exclude=exclude,
            depth=depth,
            metadata=metadata,
            workers=workers,
            shard=shard,
            **({"sync_id": "nightly"} | more),
        )
        return DatasetSync(api or self.api, read_source(options, no_store), options)

    def sync(self, *, dry_run: bool = False, **more: Any) -> SyncSummary:
        """Sync, from an empty log of requests and of opened files."""
        self.server.clear_requests()
        self.opened.clear()
        return self.prepare(**more).run(dry_run=dry_run)

    def fails(self, **more: Any) -> EdgeImpulseSyncError:
        with pytest.raises(EdgeImpulseSyncError) as caught:
            self.sync(**more)
        return caught.value

    def other_api(self, **settings: Any) -> OrganizationDataApi:
        """A client as the hook has it."""
        return self._open_api(connections=MAX_WORKERS, **settings)

    # --- the service ------------------------------------------------------------------------------------------

    def items(self) -> dict[str, StoredItem]:
        """The items of the dataset; no name is there twice."""
        items = self.server.items("d")
        assert len({item.name for item in items}) == len(items)
        return {item.name: item for item in items}

    def by_hand(self, name: str, files: Mapping[str, bytes], metadata: Mapping[str, str] | None = None) -> int:
        """Add an item as someone else would, or as another run of ours did, by its metadata."""
        return self.someone.add_data_item(
            name=name, dataset="d", metadata=metadata or {"by": "hand"}, files=made_up(files)
        )[0]

    def operations(self) -> list[str | None]:
        """What was to change something."""
        return [request.operation for request in changes(self.server)]

    def listings(self) -> int:
        return sum(request.operation == LIST for request in self.server.requests())

    # --- assertions -------------------------------------------------------------------------------------------

    def assert_in_step(self, metadata: Mapping[str, str] = METADATA, besides: set[str] | None = None) -> None:
        """Assert that each folder has one complete item with these bytes and metadata, and that there are no others."""
        trees, items = self.trees(), self.items()
        assert set(items) == set(trees) | (besides or set())
        for name, files in trees.items():
            assert contents(self.server, items[name].id) == files, name
            assert users_metadata(items[name].metadata) == dict(metadata), name
            state = state_of(items[name])
            assert state is not None and state.complete, name
            assert state.digest == wanted_item(files, metadata, read=True).digest, name
            assert state.sync == "nightly"

    def assert_at_rest(self, *, opens: bool = False, **more: Any) -> None:
        """One more run changes nothing, and takes one listing."""
        before = self.server.state()
        summary = self.sync(**more)
        assert summary["unchanged"] == len(self.trees())
        assert self.operations() == []
        assert [request.operation for request in self.server.requests()] == [LIST]
        assert opens or self.opened == []
        assert self.server.state() == before


def record_of(requests: list[RequestRecord], names: Mapping[int, str]) -> list[tuple[str | None, str]]:
    """Each changing request with the name of its item."""
    told = []
    for request in requests:
        steps = request.path.split("/data/")[1].split("/")
        told.append((request.operation, request.fields["name"] if steps[0] == "add" else names[int(steps[0])]))
    return told
