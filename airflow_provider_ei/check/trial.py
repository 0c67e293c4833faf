"""A dozen tiny data items in a dataset of their own, which show what the service does with them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from airflow_provider_ei.check.cleanup import Leftover, clean, leftovers
from airflow_provider_ei.check.organization import OrganizationUnderCheck
from airflow_provider_ei.check.probe import Probe, Seen
from airflow_provider_ei.check.questions import NotKnownError
from airflow_provider_ei.check.remembered import remembered
from airflow_provider_ei.check.trial_items import (
    ALSO,
    MANIFEST,
    MARK,
    NO_METADATA,
    NO_METADATA_FILE,
    TrialFile,
    mark_of,
    new_dataset,
)
from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseError, EdgeImpulseRefusedError
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.studio.retry import may_be_done

T = TypeVar("T")

#: An item's name with a decomposed letter, and with white space around it and in it.
ODD_NAME = unicodedata.normalize("NFD", " größe  1 ")

PLAIN = TrialFile("plain.csv", 50)
PLAIN_AGAIN = TrialFile("plain.csv", 51)
EMPTY = TrialFile("empty.csv", 0)
#: Files whose names services are known to change. The sizes tell which is which.
ODD_FILES = {
    "folder": TrialFile("folder/in-folder.csv", 61),
    "letters": TrialFile("größe-測.csv", 62),
    "quote": TrialFile('quotation"mark.csv', 63),
    "backslash": TrialFile("backslash\\", 64),
    "decomposed": TrialFile(unicodedata.normalize("NFD", "größe-2.csv"), 65),
    "spaces": TrialFile(" two  spaces.csv ", 66),
}

#: The longest metadata value that is tried.
MAX_METADATA_BYTES = 64 * 1024
#: How long to wait for a new item to appear in the listing.
MAX_LISTING_DELAY = 60.0

#: A file that the service has refused to take.
REFUSED = "refused"


class Trial:
    """Makes data items and looks at what became of them. As a context manager, it deletes them.

    :param service: where; its listing is that of the trial's dataset from now on.
    :ivar dataset: the dataset.
    :ivar leftovers: what could not be deleted.
    """

    def __init__(self, service: OrganizationUnderCheck) -> None:
        self.service = service
        self.dataset = service.dataset = new_dataset()
        self.leftovers: list[Leftover] = []
        self._created: list[int] = []
        self._is_changing = False

    def clean_up(self) -> None:
        """Delete everything, with a client of its own: the other one may have been interrupted."""
        with self.service.patient_client() as client:
            if self._is_changing:  # the service may still carry out the request that was interrupted
                client.sleep(self.service.settings.settle_seconds)
            api = OrganizationDataApi(client, self.service.organization_id)
            self.leftovers = clean(api, self.dataset, self._created)

    def leave(self, why: str) -> None:
        """Note that everything is left behind."""
        self.leftovers = leftovers(self.dataset, self._created, why)

    # --- experiments --------------------------------------------------------------------------------------

    @remembered
    def manifest(self) -> int:
        """The first item; it names the one that has no mark."""
        return self._create(MANIFEST, {ALSO: NO_METADATA})

    @remembered
    def listing_delay(self) -> float:
        """Seconds until the first item is listed."""
        data_id, service = self.manifest, self.service
        begun, wait = service.clock(), 0.1
        while True:
            before = service.clock() - begun
            page = service.list_page(limit=10)
            service.need(page)
            if any(item.get("id") == data_id for item in page.items):
                return 0.0 if wait == 0.1 else round(before, 1)
            if before > MAX_LISTING_DELAY:
                raise NotKnownError(f"the item was not listed within {MAX_LISTING_DELAY:.0f} s")
            service.sleep(wait)
            wait = min(2 * wait, 2.0)

    @remembered
    def twice(self) -> tuple[int, int | None]:
        """The ids of two items of one name; None for the second one if the service refuses it."""
        first = self._create("twice", {}, [TrialFile("first.csv", 11)])
        try:
            return first, self._create("twice", {}, [TrialFile("second.csv", 12)])
        except EdgeImpulseAuthError:
            raise
        except EdgeImpulseRefusedError:
            return first, None

    @remembered
    def odd_item(self) -> DataItem:
        """An item with an odd name."""
        return self._get(self._create(ODD_NAME, {}))

    @remembered
    def files(self) -> Mapping[str, str | None]:
        """The stored names of the odd files, by what is odd about them; None for a file that is not stored."""
        refused, item = self._filled_item
        by_size = {file.size: file.name for file in item.files or ()}
        return {key: REFUSED if key in refused else by_size.get(file.size) for key, file in ODD_FILES.items()}

    @remembered
    def plain_sizes(self) -> list[int] | None:
        """The sizes of all files of one name, after two were sent; None if the second was refused."""
        refused, item = self._filled_item
        return None if "plain" in refused else [file.size for file in item.files or () if file.name == PLAIN.name]

    @remembered
    def empty_file(self) -> str:
        """What became of an empty file: stored, dropped or refused."""
        refused, item = self._filled_item
        if "empty" in refused:
            return REFUSED
        return "stored" if any(file.size == 0 for file in item.files or ()) else "dropped"

    @remembered
    def _filled_item(self) -> tuple[set[str], DataItem]:
        """An item that gets one file after another; which of them were refused, and the item at the end."""
        data_id = self._create("files", {})
        refused = set()
        for key, file in {"plain": PLAIN_AGAIN, "empty": EMPTY, **ODD_FILES}.items():
            try:
                self._changing(partial(self.service.api.add_files, data_id, [file]))
            except EdgeImpulseAuthError:
                raise
            except EdgeImpulseRefusedError:
                refused.add(key)
        return refused, self._get(data_id)

    @remembered
    def metadata_item(self) -> int:
        """An item for metadata."""
        return self._create("metadata", {"first": "1"})

    @remembered
    def updated_metadata(self) -> Mapping[str, str]:
        """The metadata of an item with the key ``first``, after an update without it."""
        data_id = self.metadata_item
        self._update(data_id, {"second": "2"})
        return self._get(data_id).metadata

    @remembered
    def longest_value(self) -> int:
        """The length of the longest metadata value that was stored whole, in bytes."""
        data_id, longest, size = self.metadata_item, 0, 1024
        while size <= MAX_METADATA_BYTES:
            value = "v" * size
            try:
                self._update(data_id, {"long": value})
            except EdgeImpulseAuthError:
                raise
            except EdgeImpulseRefusedError:
                break
            if self._get(data_id).metadata.get("long") != value:
                break
            longest, size = size, 2 * size
        return longest

    @remembered
    def no_metadata(self) -> bool:
        """Whether an item without metadata is taken."""
        self.manifest  # noqa: B018 - names this item, so that a later clean-up can be certain
        try:
            self._create(NO_METADATA, None, [NO_METADATA_FILE])
        except EdgeImpulseAuthError:
            raise
        except EdgeImpulseRefusedError:
            return False
        return True

    @remembered
    def missing_item(self) -> Seen:
        """The response for an item that was deleted."""
        data_id = self._create("deleted", {})
        self._changing(lambda: self.service.api.delete_data_item(data_id))
        return self.service.probe.get("getOrganizationDataItem", f"{self.service.path}/data/{data_id}")

    @remembered
    def wrong_key(self) -> Seen:
        """The response to a wrong key."""
        settings = replace(self.service.settings, api_key="ei_wrong_key_of_a_check")
        with Probe(settings, clock=self.service.clock) as probe:
            return probe.get("listOrganizations", "/api/organizations")

    @remembered
    def archive_begin(self) -> bytes:
        """The first bytes of a downloaded item."""
        path = f"{self.service.path}/data/{self.manifest}/download"
        return self.service.probe.first_bytes("downloadOrganizationSingleDataItem", path, 512)

    # --- requests -----------------------------------------------------------------------------------------

    def _create(self, name: str, metadata: Mapping[str, str] | None, files: Sequence[TrialFile] = (PLAIN,)) -> int:
        """Create an item; ``metadata`` is None for one that has none, not even the mark."""
        marked = {} if metadata is None else {MARK: mark_of(self.dataset) or "", **metadata}
        data_id = self._changing(
            lambda: self.service.api.add_data_item(name=name, dataset=self.dataset, metadata=marked, files=files)[0]
        )
        self._created.append(data_id)
        return data_id

    def _update(self, data_id: int, metadata: Mapping[str, str]) -> None:
        marked = {MARK: mark_of(self.dataset) or "", **metadata}
        self._changing(lambda: self.service.api.update_data_item(data_id, metadata=marked))

    def _get(self, data_id: int) -> DataItem:
        return self.service.api.get_data_item(data_id)

    def _changing(self, request: Callable[[], T]) -> T:
        """Send a request that changes something, and remember if nobody knows whether it was carried out."""
        was_changing, self._is_changing = self._is_changing, True
        try:
            result = request()
        except EdgeImpulseError as error:
            self._is_changing = was_changing or may_be_done(error)
            raise
        self._is_changing = was_changing
        return result
