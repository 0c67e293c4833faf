"""Plans the next steps of an upload. A pure function: it sends no requests and reads no files.

An upload is a loop of list, plan and perform, until nothing is left to do. So a first upload, an update, the repair of
an interrupted upload and the check of a finished one are the same code, and the next listing shows whatever went wrong
in between. The order of the steps makes it safe to stop after any of them:

1. the item is created as ``pending``, or marked as ``pending`` before anything else changes;
2. all files are sent, in batches;
3. the names and sizes in the listing are checked, and files that should not be there are removed;
4. the digest is written last and replaces ``pending``.

An item that is small enough for one request includes its digest in that request: the service stores all of it or
nothing.

Before an existing item is changed, it is fetched again: see ``upload``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airflow_provider_ei.exceptions import EdgeImpulseConflictError
from airflow_provider_ei.studio.files import UploadFile
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.digest import item_digest
from airflow_provider_ei.sync.item.conflicts import (
    IfExists,
    ambiguous_items,
    check_adoption,
    check_origin,
    check_spelling,
    check_sync,
    check_taken_over,
    lost_names,
)
from airflow_provider_ei.sync.item.steps import (
    AddFiles,
    BatchLimits,
    CompareBytes,
    Create,
    DeleteDuplicates,
    Done,
    LetSettle,
    LookFirst,
    MarkPending,
    ReadFiles,
    RecheckListing,
    RemoveFile,
    RunState,
    Step,
    WriteDigest,
)
from airflow_provider_ei.sync.item.wanted import WantedItem
from airflow_provider_ei.sync.item_state import ItemState, carries, certifies
from airflow_provider_ei.sync.stored_names import names_digest

#: Up to this size, the files of a new item are hashed before they are sent, so that one request suffices.
SMALL_ITEM_BYTES = 8 * 1024 * 1024

#: Maximum number of duplicates of an item that are removed. A creation is tried up to four times, so more duplicates
#: have a different cause.
MAX_DUPLICATES = 3


def plan_item(
    wanted: WantedItem, listed: Sequence[DataItem], run: RunState, if_exists: IfExists, limits: BatchLimits
) -> list[Step]:
    """Return the next steps. After them, list the item and plan again.

    :param listed: all items that may be the wanted item, with their files: those of that name in the dataset, and the
        one that this run created.
    :raises EdgeImpulseConflictError: when an existing item must not be touched.
    """
    stored = find_stored(wanted, listed, run)
    skipped = check_stored(wanted, stored, run, if_exists)
    if skipped is not None:
        steps: list[Step] = [Done(skipped, "skipped")]
    elif stored.duplicates:
        steps = [DeleteDuplicates(stored.duplicates, stored.ours[0][0])]
    else:
        steps = plan_stored(wanted, stored, run, if_exists, limits)
    if isinstance(steps[0], Create):
        return steps if run.absence_known else [LookFirst((), by_name=True)]
    return steps if run.fresh or not _touches(steps[0]) else [LookFirst(listed, by_name=False)]


@dataclass(frozen=True)
class Stored:
    """The listed items that may be the wanted item.

    :ivar ours: items that this package created for it, with their states, oldest first.
    :ivar theirs: items of others with the same name.
    """

    ours: Sequence[tuple[DataItem, ItemState]]
    theirs: Sequence[DataItem]

    @property
    def duplicates(self) -> Sequence[DataItem]:
        """Our items, without the oldest."""
        return [item for item, _ in self.ours[1:]]


def find_stored(wanted: WantedItem, listed: Sequence[DataItem], run: RunState) -> Stored:
    """Find the wanted item among the listed items.

    :raises EdgeImpulseConflictError: when the service has changed its name too much.
    """
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
    return Stored(ours, theirs)


def check_stored(wanted: WantedItem, stored: Stored, run: RunState, if_exists: IfExists) -> DataItem | None:
    """Check whether the existing items may be changed.

    :return: the existing item, if ``if_exists`` says to skip it; None otherwise.
    :raises EdgeImpulseConflictError: when an existing item must not be touched.
    """
    finished = [item for item, state in stored.ours if state.complete] if stored.ours else stored.theirs
    if finished and not run.begun:
        if if_exists == "skip":
            return finished[0]
        if if_exists == "fail":
            raise EdgeImpulseConflictError(
                f"Set if_exists to 'update' or 'skip', or take another name: data item {wanted.name!r} is in dataset "
                f"{wanted.dataset!r} already (id {finished[0].id}), and if_exists is 'fail'."
            )
    if not stored.ours and stored.theirs:
        check_adoption(wanted, stored.theirs, if_exists)
    for item, state in stored.ours:
        check_sync(wanted, item, state)
    if len(stored.duplicates) > MAX_DUPLICATES:  # more than repeated requests can have left
        raise EdgeImpulseConflictError(ambiguous_items(wanted, [item for item, _ in stored.ours]))
    return None


def plan_stored(
    wanted: WantedItem, stored: Stored, run: RunState, if_exists: IfExists, limits: BatchLimits
) -> list[Step]:
    """Plan for our oldest item; else adopt an item of someone else; else create a new item."""
    if stored.ours:
        return _plan_ours(wanted, *stored.ours[0], run, limits)
    if stored.theirs:
        (item, *_) = stored.theirs
        if if_exists != "overwrite" and item.id not in run.adopted and ItemState.of(item) is None:
            return [CompareBytes(item)]
        return _send_all(wanted, item, run, limits)
    if run.data_id is not None:
        return [RecheckListing("the data item is not listed")]
    return _create(wanted, limits)


def _plan_ours(wanted: WantedItem, item: DataItem, state: ItemState, run: RunState, limits: BatchLimits) -> list[Step]:
    """Plan for the item that this package created."""
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
        return _send_all(wanted, item, run, limits)
    if state.complete and run.rechecks:
        # It was sent as complete in one request, but is listed differently: mark it as pending and send it again.
        return _send_all(wanted, item, run, limits)
    if unsent and not state.complete:
        return [AddFiles(item, batch) for batch in batches(unsent, limits)]
    if difference is None:
        return [WriteDigest(item, wanted.files_digest, stored_files)]
    if found.strangers and not state.complete:
        return [RemoveFile(item, name) for name in found.strangers]
    return [RecheckListing(difference, lost_names(found))]


def _send_all(wanted: WantedItem, item: DataItem, run: RunState, limits: BatchLimits) -> list[Step]:
    state = ItemState.of(item)
    is_pending = state is not None and not state.complete
    if is_pending and run.data_id != item.id and not run.settled:
        return [LetSettle(item)]
    return [MarkPending(item), *(AddFiles(item, batch) for batch in batches(wanted.files, limits))]


def _touches(step: Step) -> bool:
    """Return whether a step changes an existing item, or prepares such a change."""
    changes = MarkPending | AddFiles | RemoveFile | WriteDigest | DeleteDuplicates
    return isinstance(step, changes | LetSettle | CompareBytes)


def batches(files: Sequence[UploadFile], limits: BatchLimits) -> Iterator[Sequence[UploadFile]]:
    """Split files into requests, in order. A file larger than the limit gets its own request."""
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
    """Return the digest of the wanted files; None if they must be read to compute it."""
    if wanted.hashed:
        return wanted.files_digest
    alike = wanted.sizes_only or wanted.looks_like(state.fingerprint)
    known = alike and (certifies(item, state) or state.digest == item_digest(state.files or "", wanted.metadata))
    return state.files if known else None
