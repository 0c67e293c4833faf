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
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

from airflow_provider_ei.exceptions import EdgeImpulseConflictError
from airflow_provider_ei.studio.answers import DataItem
from airflow_provider_ei.studio.multipart import UploadFile
from airflow_provider_ei.sync.digest import item_digest
from airflow_provider_ei.sync.item import WantedItem
from airflow_provider_ei.sync.metadata import Marks, carries

IfExists = Literal["update", "skip", "fail", "overwrite"]
Outcome = Literal["created", "updated", "unchanged", "skipped"]

#: Up to this many bytes, the files of a new item are read once more beforehand, to send it in one request.
SMALL_ITEM_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """How much fits into one request: files, and their bytes unless a single file has more."""

    files: int
    bytes: int


@dataclass
class Progress:
    """What this run has done so far, which the listing cannot show.

    :ivar data_id: the item that this run created or has begun to change.
    :ivar sent: names of the files that this run sent to it, and had acknowledged.
    :ivar unanswered: how many attempts to create it had no answer.
    :ivar run: names this run in the marks of an item, so that two runs at once see each other.
    """

    outcome: Outcome = "unchanged"
    data_id: int | None = None
    sent: set[str] = field(default_factory=set)
    unanswered: int = 0
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
class DeleteDouble:
    """Delete an item of ours that is there a second time."""

    item: DataItem


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
    :ivar renews: only the marks beside the digest change: the content is what it was.
    """

    item: DataItem
    files_digest: str
    renews: bool = False


@dataclass(frozen=True)
class LookAgain:
    """What was sent is not what is listed; wait, since the listing may lag behind."""

    difference: str


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""

    item: DataItem
    outcome: Outcome


Step = ReadFiles | Create | DeleteDouble | MarkPending | AddFiles | RemoveFile | WriteDigest | LookAgain | Done


def plan_item(
    wanted: WantedItem, listed: Sequence[DataItem], progress: Progress, if_exists: IfExists, limits: Limits
) -> list[Step]:
    """Return the next steps; after them the item is to be listed and planned again.

    :param listed: all items of that name in the dataset, with their files.
    :raises EdgeImpulseConflictError: when an item is there that ``if_exists`` does not allow to touch.
    """
    ours = [item for item in listed if Marks.of(item.metadata).ours]
    if not listed:
        return [LookAgain("the data item is not listed")] if progress.data_id is not None else _create(wanted, limits)
    item = _best(ours, wanted) if ours else listed[0]
    marks = Marks.of(item.metadata)
    if not progress.begun and (marks.complete or not ours):
        if if_exists == "skip":
            return [Done(item, "skipped")]
        if if_exists == "fail":
            raise EdgeImpulseConflictError(
                f"Data item {wanted.name!r} is in dataset {wanted.dataset!r} already (id {item.id}), and if_exists is "
                "'fail'."
            )
    if not ours:
        _check_adoption(wanted, listed, if_exists)
    for other in ours:
        _check_sync(wanted, other)
    doubles = [DeleteDouble(other) for other in ours if other.id != item.id]
    if doubles:
        return [*doubles]
    difference = wanted.difference(item)
    if marks.complete and difference is None:
        files_digest = _files_digest(wanted, marks)
        if files_digest is None:
            return [ReadFiles()]
        if marks.state == item_digest(files_digest, wanted.metadata) and carries(item.metadata, wanted.metadata):
            if wanted.fingerprint in (None, marks.fingerprint) and wanted.sync_id in (None, marks.sync):
                return [Done(item, progress.outcome)]
            return [WriteDigest(item, files_digest, renews=True)]
        if marks.files == files_digest:
            return [WriteDigest(item, files_digest)]
    if progress.data_id != item.id or marks.run != progress.run:
        # Not marked by this run, or marked by another one since: what was sent may have been overwritten.
        return [MarkPending(item), *(AddFiles(item, batch) for batch in batches(wanted.files, limits))]
    unsent = [file for file in wanted.files if file.name not in progress.sent]
    if unsent:
        return [AddFiles(item, batch) for batch in batches(unsent, limits)]
    superfluous = [RemoveFile(item, name) for name in wanted.superfluous(item)]
    if superfluous:
        return [*superfluous]
    return [WriteDigest(item, wanted.files_digest)] if difference is None else [LookAgain(difference)]


def batches(files: Sequence[UploadFile], limits: Limits) -> Iterator[Sequence[UploadFile]]:
    """Split files into requests, in order; a file larger than the limit travels alone."""
    start = size = 0
    for number, file in enumerate(files):
        if number > start and (number - start == limits.files or size + file.size > limits.bytes):
            yield files[start:number]
            start, size = number, 0
        size += file.size
    yield files[start:]


def _create(wanted: WantedItem, limits: Limits) -> list[Step]:
    first = next(batches(wanted.files, limits))
    if len(first) < len(wanted.files) or wanted.total_bytes > SMALL_ITEM_BYTES:
        return [Create(first, complete=False)]
    if not wanted.hashed:
        return [ReadFiles()]
    return [Create(first, complete=True)]


def _best(ours: Sequence[DataItem], wanted: WantedItem) -> DataItem:
    """Choose which of several items of ours stays, the same for everyone who looks at the same listing."""
    complete = [item for item in ours if Marks.of(item.metadata).complete]
    if wanted.hashed:
        exact = [item for item in complete if Marks.of(item.metadata).state == wanted.digest]
        if exact:
            return min(exact, key=lambda item: item.id)
    return max(complete or ours, key=lambda item: item.id)


def _files_digest(wanted: WantedItem, marks: Marks) -> str | None:
    """Return the digest of the wanted files; None when it takes reading them to know it."""
    if wanted.hashed:
        return wanted.files_digest
    return marks.files if wanted.sizes_only or wanted.looks_like(marks.fingerprint) else None


def _check_sync(wanted: WantedItem, item: DataItem) -> None:
    marks = Marks.of(item.metadata)
    if wanted.sync_id is not None and marks.sync not in (None, wanted.sync_id):
        raise EdgeImpulseConflictError(
            f"Data item {wanted.name!r} in dataset {wanted.dataset!r} (id {item.id}) belongs to the sync "
            f"{marks.sync!r}, and this is {wanted.sync_id!r}. If it is the same sync under a new name, set "
            f"sync_id={marks.sync!r}."
        )


def _check_adoption(wanted: WantedItem, listed: Sequence[DataItem], if_exists: IfExists) -> None:
    what = f"Data item {wanted.name!r} is in dataset {wanted.dataset!r} already and was not uploaded by this package"
    if len(listed) > 1:
        ids = ", ".join(str(item.id) for item in listed)
        raise EdgeImpulseConflictError(f"{what}, several times (ids {ids}). Delete or rename all but one in Studio.")
    if wanted.sync_id is not None:
        raise EdgeImpulseConflictError(
            f"{what} (id {listed[0].id}). A sync does not touch it. Delete or rename it in Studio, or take it "
            "over once with EdgeImpulseAddDataOperator."
        )
    difference = wanted.difference(listed[0])
    if difference is not None and if_exists != "overwrite":
        raise EdgeImpulseConflictError(
            f"{what} (id {listed[0].id}); its files differ: {difference}. Nothing was changed. To replace its files, "
            "set if_exists='overwrite'."
        )
