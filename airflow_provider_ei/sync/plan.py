"""What to do next so that the service has the item that is wanted. A pure function: no requests, no files.

An upload is a loop of listing, planning and doing, until the plan is that nothing is left to do. So a first upload, an
update, the repair of an interrupted one and the check of a finished one are the same code, and whatever went wrong in
between is seen in the next listing. The order of the steps is what makes it safe to stop after any of them:

1. the item is created as ``pending``, or set to it before anything else changes;
2. all files are sent, in batches;
3. the listing shows their names and sizes, and what should not be there is removed;
4. the digest is written last, in the place of ``pending``.

An item that is small enough for one request carries its digest in that request: the service stores it whole or not at
all.

Whatever is done to an item that is there already follows a look at that very item: see ``apply``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from airflow_provider_ei.exceptions import EdgeImpulseConflictError
from airflow_provider_ei.results import Outcome
from airflow_provider_ei.studio.files import UploadFile
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.conflicts import (
    IfExists,
    ambiguous_items,
    check_adoption,
    check_origin,
    check_spelling,
    check_sync,
    check_taken_over,
    lost_names,
)
from airflow_provider_ei.sync.digest import item_digest
from airflow_provider_ei.sync.item import WantedItem
from airflow_provider_ei.sync.item_state import ItemState, carries, certifies
from airflow_provider_ei.sync.stored_names import names_digest

#: Up to this many bytes, the files of a new item are read once more beforehand, to send it in one request.
SMALL_ITEM_BYTES = 8 * 1024 * 1024

#: Duplicates of one item that are removed: a creation is tried up to four times. More of them did not come from that.
MAX_DUPLICATES = 3


@dataclass
class BatchLimits:
    """How much fits into one request: files, and their bytes unless a single file has more.

    A sync's items share one: what the service, or a proxy before it, has refused once is not tried with the next item.
    """

    files: int
    bytes: int

    def shrink_below(self, files: Sequence[UploadFile]) -> None:
        """Make it half of a request that was too large."""
        self.files = min(self.files, max(1, len(files) // 2))
        self.bytes = min(self.bytes, sum(file.size for file in files) // 2)


@dataclass
class RunState:
    """What this run has done so far, which the listing cannot show.

    :ivar data_id: the item that this run created or has begun to change.
    :ivar seen: whether it was listed under a name for which it was created: another name since is a person's doing.
    :ivar sent: names of the files that this run sent to it, and had acknowledged.
    :ivar unanswered: how many attempts to create it had no answer.
    :ivar rechecks: how often it has waited for the listing to show what was sent.
    :ivar beginnings: how often it has begun, since the item was taken away meanwhile.
    :ivar run: names this run in the state that it writes, so that two runs at once see each other.
    """

    outcome: Outcome = "unchanged"
    data_id: int | None = None
    seen: bool = False
    sent: set[str] = field(default_factory=set)
    unanswered: int = 0
    rechecks: int = 0
    beginnings: int = 1
    run: str = field(default_factory=lambda: uuid4().hex)

    @property
    def begun(self) -> bool:
        """Whether an item that is there now may be this run's own work."""
        return self.data_id is not None or self.unanswered > 0


@dataclass(frozen=True)
class ReadFiles:
    """Hash the files that were not read yet."""


@dataclass(frozen=True)
class Create:
    """Create the item with these files, complete (with its digest) or pending."""

    files: Sequence[UploadFile]
    complete: bool


@dataclass(frozen=True)
class DeleteDuplicates:
    """Delete items of ours that are there once more, if all of them prove to be copies of the kept one."""

    items: Sequence[DataItem]
    kept: DataItem


@dataclass(frozen=True)
class MarkPending:
    """Say in the item's metadata that it is being changed, and that it is ours."""

    item: DataItem


@dataclass(frozen=True)
class AddFiles:
    """Send these files to the item."""

    item: DataItem
    files: Sequence[UploadFile]


@dataclass(frozen=True)
class RemoveFile:
    """Remove one file, named as the service lists it."""

    item: DataItem
    file_name: str


@dataclass(frozen=True)
class WriteDigest:
    """Write the user's metadata and the digest: the item is complete.

    :ivar files_digest: of the files that the item has.
    :ivar stored_files: digest of the names that the service has given them, where it spells them in its own way.
    :ivar renews: only the state beside the digest changes: the content is what it was.
    """

    item: DataItem
    files_digest: str
    stored_files: str | None = None
    renews: bool = False


@dataclass(frozen=True)
class RecheckListing:
    """What was sent is not what is listed; wait, since the listing may lag behind.

    :ivar lost: why no wait and no new try will help, if it still is so then: the service does not keep the names apart.
    """

    difference: str
    lost: str | None = None


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""

    item: DataItem
    outcome: Outcome


Step = ReadFiles | Create | DeleteDuplicates | MarkPending | AddFiles | RemoveFile | WriteDigest | RecheckListing | Done


def plan_item(
    wanted: WantedItem, listed: Sequence[DataItem], run: RunState, if_exists: IfExists, limits: BatchLimits
) -> list[Step]:
    """Return the next steps; after them the item is to be listed and planned again.

    :param listed: all items that may be it, with their files: of that name in the dataset, and what this run has
        created.
    :raises EdgeImpulseConflictError: when an item is there that must not be touched.
    """
    ours, theirs = _divide(wanted, listed, run)
    if not ours and not theirs:
        if run.data_id is not None:
            return [RecheckListing("the data item is not listed")]
        return _create(wanted, limits)
    finished = [item for item, state in ours if state.complete] if ours else theirs
    if finished and not run.begun:
        if if_exists == "skip":
            return [Done(finished[0], "skipped")]
        if if_exists == "fail":
            raise EdgeImpulseConflictError(
                f"Set if_exists to 'update' or 'skip', or take another name: data item {wanted.name!r} is in dataset "
                f"{wanted.dataset!r} already (id {finished[0].id}), and if_exists is 'fail'."
            )
    if not ours:
        check_adoption(wanted, theirs, if_exists)
        return _send_all(wanted, theirs[0], limits)
    for other, its_state in ours:
        check_sync(wanted, other, its_state)
    if len(ours) > 1:
        return [_without_duplicates(wanted, [other for other, _ in ours])]
    return _plan_ours(wanted, *ours[0], run, limits)


def _plan_ours(wanted: WantedItem, item: DataItem, state: ItemState, run: RunState, limits: BatchLimits) -> list[Step]:
    """Plan the one item that this package has made."""
    found = wanted.correspondence(item)
    difference = wanted.difference(item, found)
    began = run.data_id == item.id and state.run == run.run  # else another run has written to it since
    unsent = [file for file in wanted.files if file.name not in run.sent]
    stored_files = None if found.exact else names_digest(found.names)
    known_names = found.exact or state.stored_files == stored_files or (began and not unsent)
    if state.complete and difference is None and known_names:
        files_digest = _files_digest(wanted, item, state)
        if files_digest is None:
            return [ReadFiles()]
        same = state.digest == item_digest(files_digest, wanted.metadata)
        if not same:
            check_taken_over(wanted, item, state)
            check_origin(wanted, item, state)
        if same and carries(item, wanted.metadata):
            facts = state.stored_as(item, stored_files) == state and state.files == files_digest
            up_to_date = facts and state.sync == wanted.sync_id and state.keys >= wanted.metadata.keys()
            if up_to_date and wanted.fingerprint in (None, state.fingerprint):
                return [Done(item, run.outcome)]
            return [WriteDigest(item, files_digest, stored_files, renews=True)]
        if state.files == files_digest:
            return [WriteDigest(item, files_digest, stored_files)]
    if not began:
        check_taken_over(wanted, item, state)
        check_origin(wanted, item, state)
        return _send_all(wanted, item, limits)
    if state.complete and run.rechecks:
        # It was sent in one request, as complete, and is not listed like that: it must say so, and is sent once more.
        return _send_all(wanted, item, limits)
    if unsent and not state.complete:
        return [AddFiles(item, batch) for batch in batches(unsent, limits)]
    if difference is None:
        return [WriteDigest(item, wanted.files_digest, stored_files)]
    if found.strangers and not state.complete:
        return [RemoveFile(item, name) for name in found.strangers]
    return [RecheckListing(difference, lost_names(found))]


def _send_all(wanted: WantedItem, item: DataItem, limits: BatchLimits) -> list[Step]:
    return [MarkPending(item), *(AddFiles(item, batch) for batch in batches(wanted.files, limits))]


def _divide(
    wanted: WantedItem, listed: Sequence[DataItem], run: RunState
) -> tuple[list[tuple[DataItem, ItemState]], list[DataItem]]:
    """Find the items that this package has made for what is wanted, oldest first, and those of others of its name."""
    ours, theirs = [], []
    for item in sorted(listed, key=lambda item: (item.created, item.id)):
        state = ItemState.of(item)
        if state is None and item.id == run.data_id and not run.seen:
            state = ItemState.written_by(item, run.run)
        if state is not None and (state.name, state.dataset) == (wanted.name, wanted.dataset):
            check_spelling(wanted, item)
            ours.append((item, state))
        elif (item.name, item.dataset) == (wanted.name, wanted.dataset):
            theirs.append(item)
    return ours, theirs


def _without_duplicates(wanted: WantedItem, ours: Sequence[DataItem]) -> Step:
    """Remove all but the oldest, unless they are more than repeated requests can have left."""
    kept, *others = ours
    if len(others) > MAX_DUPLICATES:
        raise EdgeImpulseConflictError(ambiguous_items(wanted, ours))
    return DeleteDuplicates(others, kept)


def batches(files: Sequence[UploadFile], limits: BatchLimits) -> Iterator[Sequence[UploadFile]]:
    """Split files into requests, in order; a file larger than the limit travels alone."""
    start = size = 0
    for number, file in enumerate(files):
        if number > start and (number - start == limits.files or size + file.size > limits.bytes):
            yield files[start:number]
            start, size = number, 0
        size += file.size
    yield files[start:]


def _create(wanted: WantedItem, limits: BatchLimits) -> list[Step]:
    first = next(batches(wanted.files, limits))
    if len(first) < len(wanted.files) or wanted.total_bytes > SMALL_ITEM_BYTES:
        return [Create(first, complete=False)]
    if not wanted.hashed:
        return [ReadFiles()]
    return [Create(first, complete=True)]


def _files_digest(wanted: WantedItem, item: DataItem, state: ItemState) -> str | None:
    """Return the digest of the wanted files; None when it takes reading them to know it."""
    if wanted.hashed:
        return wanted.files_digest
    alike = wanted.sizes_only or wanted.looks_like(state.fingerprint)
    known = alike and (certifies(item, state) or state.digest == item_digest(state.files or "", wanted.metadata))
    return state.files if known else None
