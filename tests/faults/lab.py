"""An emulated Studio whose late stores the test controls, and the assertions that must hold after a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airflow_provider_ei.emulator import EmulatorServer, Fault, RequestRecord, StoredItem
from airflow_provider_ei.emulator.name_rules import stored_file_name
from airflow_provider_ei.results import AddDataResult
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.sync.item.upload import ItemUpload
from airflow_provider_ei.sync.item.wanted import WantedItem
from airflow_provider_ei.sync.metadata import STATE_KEY
from tests.support.files import made_up
from tests.support.items import changed_state, state_of, users_metadata, wanted_item
from tests.support.studio import KEY, ORGANIZATION, contents, reset

NAME, DATASET = "run 1", "d"

#: Of the clients here. A wait that is shorter is one between two tries, which no late store has to survive.
SETTLE_SECONDS = 7.5

#: Later than any test: what is put off by that much happens when ``FaultLab.land`` says so.
LATER = 3600.0


@dataclass(frozen=True)
class Content:
    """The expected content of a data item."""

    files: Mapping[str, bytes]
    metadata: Mapping[str, str]

    @property
    def digest(self) -> str:
        return wanted_item(self.files, self.metadata, read=True).digest


@dataclass(frozen=True)
class Item:
    """A data item as the server has it, but for its id."""

    name: str
    dataset: str
    metadata: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, name: str, dataset: str, metadata: Mapping[str, str], files: Mapping[str, bytes]) -> Item:
        return cls(name, dataset, tuple(sorted(metadata.items())), tuple(sorted(files.items())))


#: The data items of the server, in the order of their ids.
State = tuple[Item, ...]
EMPTY: State = ()


class FaultLab:
    """An emulator that many cases use in turn.

    Time is the test's own: a store that is late (by ``LATER``) happens when a client waits for the settle time, or
    when the test says so. So every case runs the same way each time, and as fast as the machine can.
    """

    def __init__(self, server: EmulatorServer) -> None:
        self.server = server
        self.slept: list[float] = []

    def reset(self, **switches: Any) -> None:
        """No data, no faults, no requests, the switches as given or at their defaults."""
        reset(self.server, **switches)
        self.slept.clear()

    def forget_faults(self) -> None:
        """Take back the faults that have hit nothing."""
        self.server.clear_faults()

    @property
    def is_late(self) -> bool:
        """Whether something that ``store_late`` faults have put off has not happened yet."""
        return self.server.late > 0

    def land(self) -> None:
        """Carry out, now, what ``store_late`` faults have put off."""
        if self.is_late:
            self.server.flush_late()

    def sleep(self, seconds: float) -> None:
        """Stand in for ``time.sleep``: in a settle time, what is late arrives."""
        self.slept.append(seconds)
        if seconds >= SETTLE_SECONDS:
            self.land()

    @contextmanager
    def api(
        self, *, sleep: Callable[[float], None] | None = None, connections: int = 1, **settings: Any
    ) -> Iterator[OrganizationDataApi]:
        values = {"api_key": KEY, "base_url": self.server.url, "read_timeout": 30.0, "retry_wait": 0.0}
        values |= {"settle_seconds": SETTLE_SECONDS} | settings
        with HttpClient(StudioSettings(**values), connections=connections, sleep=sleep or self.sleep) as http:
            yield OrganizationDataApi(http, ORGANIZATION)

    def inject(self, kind: str, at: int = 0, operation: str = "*", **more: Any) -> None:
        """Let one request go wrong: the one that ``at`` matching ones come before."""
        late = {"delay_seconds": LATER} if kind == "store_late" else {}
        self.server.inject(Fault(**{"operation": operation, "kind": kind, "skip": at} | late | more))

    def edit(self, item: StoredItem, metadata: Mapping[str, str] | None = None, without: str | None = None) -> None:
        """Do what somebody does in Studio meanwhile; no request of the product, so that no fault hits it."""
        if metadata is not None:
            self.server.edit_item(item.id, metadata=metadata)
        if without is not None:
            self.server.remove_file(item.id, without)

    def state(self) -> State:
        """Return what the server has, without the names of runs, which are all that distinguishes them."""
        state = []
        for item in self.server.items():
            ours = STATE_KEY in item.metadata
            metadata = changed_state(item.metadata, run="some run") if ours else item.metadata
            state.append(Item.of(item.name, item.dataset, metadata, self.files(item)))
        return tuple(state)

    def put(self, state: State) -> None:
        """Let the server have these items as well; no request, and no switch matters."""
        for item in state:
            self.server.put_item(item.name, item.dataset, dict(item.metadata), dict(item.files))

    def find(self, name: str) -> StoredItem:
        """The one item of that name."""
        (item,) = [item for item in self.server.items(DATASET) if item.name == name]
        return item

    def files(self, item: StoredItem) -> dict[str, bytes]:
        """All files of an item, as the server stores them."""
        return {file.name: self.server.read_file(item.id, file.name) for file in item.files}

    def received(self, operation: str) -> list[RequestRecord]:
        return [request for request in self.server.requests() if request.operation == operation]

    def problem(self, content: Content, items: Sequence[StoredItem] | None = None) -> str | None:
        """Say in what the server's data differ from one complete item of this content; None when in nothing.

        :param items: of all data, those that may be the item.
        """
        settings = self.server.settings
        files = {
            stored_file_name(name.replace('"', "%22").encode(), settings): data for name, data in content.files.items()
        }
        items = self.server.items() if items is None else items
        if not items:
            return "lost"
        if len(items) > 1:
            return "doubled"
        if (there := self.files(items[0])) != files:
            return f"wrong content: {there}"
        if (metadata := users_metadata(items[0].metadata)) != dict(content.metadata):
            return f"wrong metadata: {metadata}"
        state = state_of(items[0])
        if state is None or state.digest != content.digest:
            return f"wrong state: {state}"
        return None


def upload(api: OrganizationDataApi, content: Content, if_exists: Any = "update") -> AddDataResult:
    """One run of the product."""
    return upload_files(api, made_up(content.files), content.metadata, if_exists)


def upload_files(
    api: OrganizationDataApi, files: Sequence[Any], metadata: Mapping[str, str] | None = None, if_exists: Any = "update"
) -> AddDataResult:
    wanted = WantedItem(NAME, DATASET, list(files), dict(metadata or {}))
    return ItemUpload(api, wanted, if_exists).run()


def lies(server: EmulatorServer, *known: Content) -> list[StoredItem]:
    """Items that are marked as complete with a content that they do not have."""
    return [item for item in server.items() if is_lie(server, item, known)]


def is_lie(server: EmulatorServer, item: StoredItem, known: Iterable[Content]) -> bool:
    """Whether an item is marked as complete with a content that it does not have."""
    state = state_of(item)
    return (
        state is not None
        and state.complete
        and not any(
            state.digest == content.digest
            and contents(server, item.id) == content.files
            and users_metadata(item.metadata).items() >= content.metadata.items()
            for content in known
        )
    )
