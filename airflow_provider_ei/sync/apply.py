"""Carries the plan out: list, plan, do, until nothing is left to do. Safe to stop and to repeat at any point.

Before its first change to an item, a run looks at that very item, however new the listing is, and by its name before
it creates it: what somebody has done meanwhile in Studio counts. What remains is one round trip, since the API has no
lock.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

from airflow_provider_ei.exceptions import (
    EdgeImpulseConflictError,
    EdgeImpulseFileError,
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
    EdgeImpulseServiceError,
    EdgeImpulseTooLargeError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.results import AddDataResult, Outcome
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.files import UploadFile
from airflow_provider_ei.studio.http import BeforeRetry
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.studio.retry import may_be_done
from airflow_provider_ei.sync.conflicts import IfExists, ambiguous_items, others_item
from airflow_provider_ei.sync.digest import item_digest
from airflow_provider_ei.sync.duplicates import Allowance, is_copy, same
from airflow_provider_ei.sync.item import WantedItem, hash_files
from airflow_provider_ei.sync.item_state import ItemState, complete_metadata, creation_digest, pending_metadata
from airflow_provider_ei.sync.plan import (
    MAX_DUPLICATES,
    AddFiles,
    BatchLimits,
    Create,
    DeleteDuplicates,
    Done,
    MarkPending,
    ReadFiles,
    RecheckListing,
    RemoveFile,
    RunState,
    Step,
    WriteDigest,
    plan_item,
)
from airflow_provider_ei.sync.progress import ProgressLog
from airflow_provider_ei.sync.transfer import TransferStats

log = logging.getLogger(__name__)

#: Rounds of list, plan and do. A first upload takes three, the worst case of a test nine.
MAX_ROUNDS = 20

#: How often a run creates an item that somebody else takes away meanwhile.
MAX_BEGINNINGS = 3

#: How often a run waits for the listing to show what was sent.
MAX_RECHECKS = 2


class ItemUpload:
    """One data item on its way.

    :param wanted: the item as it should be.
    :param if_exists: what may be done to an item of that name that is there already.
    :param duplicates: how many copies that repeated requests have left may be removed, shared by the items of a sync.
    :param limits: what fits into one request, shared in the same way.
    :param alone: nobody else has items in the dataset: what is not listed is created without a look by its name.
    """

    def __init__(
        self,
        api: OrganizationDataApi,
        wanted: WantedItem,
        if_exists: IfExists = "update",
        duplicates: Allowance | None = None,
        limits: BatchLimits | None = None,
        alone: bool = False,
    ) -> None:
        self._stats = TransferStats()
        self._api = api
        self._wanted = wanted
        self._if_exists = if_exists
        self._duplicates = duplicates or Allowance(MAX_DUPLICATES)
        self._limits = limits or BatchLimits(api.http.settings.batch_files, api.http.settings.batch_bytes)
        self._run = RunState()
        self._log_progress = ProgressLog(wanted)
        self._failures = 0
        self._settled = False
        self._alone = alone
        self._adopted: set[int] = set()  # items of others that were found to have the same bytes

    @property
    def data_id(self) -> int | None:
        """The item that this run has created or has begun to change."""
        return self._run.data_id

    def run(self) -> AddDataResult:
        """Make the item what it should be.

        :raises EdgeImpulseError: the precise subclass. The item is then unchanged, or pending, which the next run
            completes; never half-done and marked as complete.
        """
        done = self._until_done(self._listed(), fresh=True, looks=True)
        assert done is not None
        return self._result(done)

    def advance(self, listed: Sequence[DataItem]) -> Outcome | None:
        """Do the same for an item that is listed already, and leave the last look at it to a listing of many items.

        :param listed: all items that may be it, with their files, from a listing of any age.
        :return: None when all that is left is to call this again with what is listed then; it gives the outcome unless
            something else has happened to the item meanwhile, and then it is mended.
        :raises EdgeImpulseError: as :meth:`run` does.
        """
        done = self._until_done(listed, fresh=False, looks=False)
        return None if done is None else done.outcome

    def check_duplicates(self, listed: Sequence[DataItem]) -> None:
        """Read what is there several times, and change nothing.

        :raises EdgeImpulseConflictError: when a run would not remove it.
        """
        (step, *_) = plan_item(self._wanted, listed, self._run, self._if_exists, self._limits)
        if not isinstance(step, DeleteDuplicates):
            return
        if not self._are_copies(step) or not self._duplicates.take(len(step.items)):
            raise EdgeImpulseConflictError(ambiguous_items(self._wanted, [step.kept, *step.items]))

    def take_stats(self) -> TransferStats:
        """Return what it has taken since the last call."""
        stats, self._stats = self._stats, TransferStats()
        return stats

    def _until_done(self, listed: Sequence[DataItem], *, fresh: bool, looks: bool) -> Done | None:
        """Go on until nothing is left to do.

        :param fresh: whether the items were looked at just now.
        :param looks: else go on until only the last look is left, and return None.
        """
        recent = fresh or self._alone  # enough to create what is not there; reading up to 8 MiB makes no difference
        for _ in range(MAX_ROUNDS):
            self._api.http.check_cancelled()
            steps = plan_item(self._wanted, listed, self._run, self._if_exists, self._limits)
            if _touches(steps[0]) and not (recent if isinstance(steps[0], Create) else fresh):
                listed, fresh, recent = self._looked_at(listed, steps[0]), True, True
                continue
            for step in steps:
                if isinstance(step, Done):
                    return step
                try:
                    self._do(step)
                except _PlanAnew as reason:
                    log.warning("%s", reason)
                    break
            else:
                if not looks and _completes(steps[-1]):
                    return None
            if steps == [ReadFiles()]:  # which changes nothing there, but takes its time
                fresh = False
            else:
                listed, fresh, recent = self._listed(), True, True
        raise EdgeImpulseResponseError(
            f"Try again later: data item {self._wanted.name!r} does not become what was sent. Edge Impulse accepts the "
            "changes, and its listing does not show them. If it stays so, ask Edge Impulse's support."
        )

    def _listed(self) -> list[DataItem]:
        """List the items that may be the wanted one: of its name, and the one that this run has created.

        The service may have made another name of the wanted one, which only a look at the item by its id shows.
        """
        run, wanted = self._run, self._wanted
        items = self._api.find_data_items(wanted.dataset, wanted.name)
        if run.data_id is None:
            return items
        if any(item.id == run.data_id for item in items):
            run.seen = True
            return items
        item = self._item(run.data_id)
        if item is None:
            return items
        if run.seen and ItemState.of(item) is None:
            log.warning("Data item %d was renamed or moved meanwhile, and is left alone; beginning anew.", item.id)
            self._begin_anew()
            return items
        return [*items, item]

    def _looked_at(self, listed: Sequence[DataItem], step: Step) -> list[DataItem]:
        """Look once more at items that were listed a while ago; by their name when there was none."""
        if isinstance(step, Create):
            return self._listed()
        items = [self._item(item.id) for item in listed]
        there = [item for item in items if item is not None]
        return there if len(there) == len(items) else self._listed()

    def _item(self, data_id: int) -> DataItem | None:
        """Look at one item by its id; None when the service does not give it."""
        try:
            return self._api.get_data_item(data_id)
        except EdgeImpulseRefusedError as error:
            log.debug("Data item %d is taken to be gone: %s", data_id, error)
            return None

    def _do(self, step: Step) -> None:
        api, wanted = self._api, self._wanted
        match step:
            case ReadFiles():
                self._stats.bytes_hashed += hash_files(wanted, api.http.check_cancelled)
            case Create():
                self._create(step)
            case DeleteDuplicates():
                self._delete_duplicates(step)
            case MarkPending(item):
                self._let_earlier_run_settle(item)
                self._check_bytes(item)
                self._begin(item)
                self._run.sent = set()
                metadata = pending_metadata(item, wanted.metadata, self._state().stored_as(item, None))
                before_retry = self._if_unchanged(item)
                with self._unless_gone(item):
                    api.update_data_item(item.id, metadata=metadata, before_retry=before_retry)
            case AddFiles(item, files):
                before_retry = self._if_ours(item)
                with self._unless_gone(item), self._in_smaller_batches(files):
                    add = api.add_files
                    self._sent(add(item.id, files, self._log_progress, before_retry=before_retry))
            case RemoveFile(item, name):
                before_retry = self._if_ours(item)
                with self._unless_gone(item), self._unless(lambda listed: _lacks(listed.get(item.id), name)):
                    api.delete_file(item.id, name, before_retry=before_retry)
            case WriteDigest():
                self._write_digest(step)
            case RecheckListing():
                self._recheck(step)

    def _state(self, *, files_digest: str | None = None) -> ItemState:
        """Return what is written into the item's metadata."""
        wanted = self._wanted
        return ItemState(
            name=wanted.name,
            dataset=wanted.dataset,
            state="pending" if files_digest is None else "complete",
            run=self._run.run,
            sync=wanted.sync_id,
            origin=wanted.origin,
            files=files_digest,
            digest=None if files_digest is None else item_digest(files_digest, wanted.metadata),
            fingerprint=None if files_digest is None else wanted.fingerprint,
        )

    def _create(self, step: Create) -> None:
        api, wanted, run = self._api, self._wanted, self._run
        if step.complete:
            metadata = complete_metadata(None, wanted.metadata, self._state(files_digest=wanted.files_digest))
        else:
            created_with = creation_digest(((file.name, file.size) for file in step.files), wanted.metadata)
            metadata = pending_metadata(None, wanted.metadata, replace(self._state(), created_with=created_with))
        run.outcome = "created"
        try:
            with self._in_smaller_batches(step.files):
                run.data_id, hashes = api.add_data_item(
                    name=wanted.name,
                    dataset=wanted.dataset,
                    metadata=metadata,
                    files=step.files,
                    bucket_name=wanted.bucket_name,
                    bucket_id=wanted.bucket_id,
                    bucket_path=wanted.bucket_path,
                    on_read=self._log_progress,
                )
        except (EdgeImpulseUnavailableError, EdgeImpulseResponseError) as error:
            if not may_be_done(error):
                raise
            run.unanswered += 1
            self._wait_and_look(error)
        except EdgeImpulseRefusedError as error:
            if run.unanswered and self._listed():
                raise _PlanAnew(f"{error} An earlier attempt has arrived after all.") from error
            raise
        else:
            self._sent(hashes)

    def _delete_duplicates(self, step: DeleteDuplicates) -> None:
        """Delete copies, each after a last look at it.

        :raises EdgeImpulseConflictError: when it is not certain that all of them are: then a person has to choose.
        """
        api, kept = self._api, step.kept
        if not self._are_copies(step):
            if not self._run.rechecks:  # another run may be about to put it right
                self._run.rechecks += 1
                api.http.sleep(api.http.settings.settle_seconds)
                raise _PlanAnew(f"Several data items are named {kept.name!r}, the oldest is {kept.id}; looking again.")
            raise EdgeImpulseConflictError(ambiguous_items(self._wanted, [kept, *step.items]))
        if not self._duplicates.take(len(step.items)):
            raise EdgeImpulseConflictError(ambiguous_items(self._wanted, [kept, *step.items]))
        for item in step.items:
            now = self._item(item.id)
            if now is None or not same(now, item):
                raise _PlanAnew(f"Data item {item.id} was changed meanwhile; looking again.")
            log.warning("Deleting data item %d, a copy of data item %d, %r.", item.id, kept.id, kept.name)
            with self._unless(lambda listed, gone=item.id: gone not in listed):  # type: ignore[misc]
                api.delete_data_item(item.id, before_retry=self._if_unchanged(item))
            self._stats.duplicates += 1

    def _are_copies(self, step: DeleteDuplicates) -> bool:
        """Whether all of them prove to be copies; what is compared may be gone before it is read."""
        api, wanted = self._api, self._wanted
        self._stats.bytes_hashed += hash_files(wanted, api.http.check_cancelled)
        try:
            return all(is_copy(api, item, step.kept, wanted) for item in step.items)
        except EdgeImpulseRefusedError as error:
            message = f"{error} One of the data items named {step.kept.name!r} is gone; looking again."
            raise _PlanAnew(message) from error

    def _write_digest(self, step: WriteDigest) -> None:
        item = step.item
        self._begin(item, changes=not step.renews)
        state = self._state(files_digest=step.files_digest).stored_as(item, step.stored_files)
        metadata = complete_metadata(item, self._wanted.metadata, state)
        update, before_retry = self._api.update_data_item, self._if_unchanged(item)
        with self._unless_gone(item):
            update(item.id, metadata=metadata, before_retry=before_retry)

    def _let_earlier_run_settle(self, item: DataItem) -> None:
        """Wait once before taking over an item that a run left pending: what it sent last may still be on its way."""
        state = ItemState.of(item)
        pending = state is not None and not state.complete
        if pending and self._run.data_id != item.id and not self._settled:
            self._settled = True
            self._api.http.sleep(self._api.http.settings.settle_seconds)
            raise _PlanAnew(f"An earlier run has left data item {item.id} unfinished; completing it.")

    def _check_bytes(self, item: DataItem) -> None:
        """Refuse to adopt an item of someone else whose files have other bytes, which no listing shows.

        :raises EdgeImpulseConflictError: then nothing is changed.
        """
        api, wanted = self._api, self._wanted
        if ItemState.of(item) is not None or self._if_exists == "overwrite" or item.id in self._adopted:
            return
        self._stats.bytes_hashed += hash_files(wanted, api.http.check_cancelled)
        for name, sha256 in wanted.hashes.items():
            if api.file_sha256(item.id, name) != sha256:
                raise EdgeImpulseConflictError(others_item(wanted, item, f"{name!r} has other bytes"))
        self._adopted.add(item.id)
        raise _PlanAnew(f"Data item {item.id} was not uploaded by this package, and has the same files; adopting it.")

    def _begin(self, item: DataItem, *, changes: bool = True) -> None:
        """Take note that this run begins to change the item, and that what it may have sent counts no longer."""
        run, state = self._run, ItemState.of(item)
        others = state is not None and state.run != run.run
        if others and run.data_id == item.id and run.sent and not (state and state.complete):
            log.warning("Another run is uploading data item %d at the same time; sending its files again.", item.id)
            self._api.http.sleep(random.uniform(0, self._api.http.settings.settle_seconds))  # one of them first
        if others or state is None:
            run.sent = set()
        run.data_id = item.id
        run.seen = True
        if changes and run.outcome != "created":
            run.outcome = "updated"

    def _begin_anew(self) -> None:
        self._run = RunState(outcome=self._run.outcome, beginnings=self._run.beginnings + 1)
        if self._run.beginnings > MAX_BEGINNINGS:
            raise EdgeImpulseResponseError(
                f"Find out who else works on data item {self._wanted.name!r}: it was deleted, renamed or moved "
                f"{MAX_BEGINNINGS} times while it was being uploaded."
            )

    def _sent(self, hashes: Mapping[str, str]) -> None:
        known = self._wanted.hashes
        changed = next((name for name in hashes if known.get(name, hashes[name]) != hashes[name]), None)
        if changed is not None:
            raise EdgeImpulseFileError(f"{changed!r} was changed while it was being sent, without a new time or size.")
        known.update(hashes)
        self._stats.files_sent += len(hashes)
        self._stats.bytes_sent += sum(self._wanted.sizes[name] for name in hashes)
        self._run.sent.update(hashes)

    def _wait_and_look(self, error: EdgeImpulseServiceError) -> NoReturn:
        """Plan anew after a creation that may have been carried out. The client has waited until it would be listed.

        :raises EdgeImpulseServiceError: the error, when it has happened as often as a request is tried.
        """
        self._stats.unanswered += 1
        if not error.throttled:  # which is no failure; the client makes the next request wait, or gives up
            self._failures += 1
            if self._failures >= self._api.http.settings.retry_attempts:
                raise error
        raise _PlanAnew(f"{error} Looking whether it has arrived.") from error

    def _if_unchanged(self, item: DataItem) -> BeforeRetry:
        """Return what looks, before a change is tried again, whether the item is still as it was: else plan anew."""
        return self._before_retry(item, lambda now: same(now, item))

    def _if_ours(self, item: DataItem) -> BeforeRetry:
        """The same for changes that come after others: the item must still be this run's."""

        def is_ours(now: DataItem) -> bool:
            state = ItemState.of(now)
            return state is not None and state.run == self._run.run

        return self._before_retry(item, is_ours)

    def _before_retry(self, item: DataItem, may_repeat: Callable[[DataItem], bool]) -> BeforeRetry:
        def look(failure: EdgeImpulseServiceError) -> None:
            self._stats.unanswered += may_be_done(failure)
            now = self._item(item.id)
            if now is None and all(listed.id != item.id for listed in self._listed()):
                self._begin_anew()
            if now is None or not may_repeat(now):
                raise _PlanAnew(f"{failure} Data item {item.id} has changed meanwhile; looking again.")

        return look

    @contextmanager
    def _in_smaller_batches(self, files: Sequence[UploadFile]) -> Iterator[None]:
        """Send less at once when a request was too large, down to a single file."""
        try:
            yield
        except EdgeImpulseTooLargeError as error:
            if len(files) < 2:
                raise
            self._limits.shrink_below(files)
            raise _PlanAnew(f"{error} Sending at most {self._limits.files} files at once.") from error

    @contextmanager
    def _unless(self, done: Callable[[Mapping[int, DataItem]], bool]) -> Iterator[None]:
        """Take a refusal for what it is, unless the change is there: a try whose answer was lost has made it."""
        try:
            yield
        except EdgeImpulseRefusedError as error:
            if not done({item.id: item for item in self._listed()}):
                raise
            raise _PlanAnew(f"{error} It is done already.") from error

    @contextmanager
    def _unless_gone(self, item: DataItem) -> Iterator[None]:
        """Begin anew, with whatever is there now, when someone else has deleted the item."""
        try:
            yield
        except EdgeImpulseRefusedError as error:
            if any(listed.id == item.id for listed in self._listed()):
                raise
            self._begin_anew()
            raise _PlanAnew(f"{error} Data item {item.id} is gone; beginning anew.") from error

    def _recheck(self, step: RecheckListing) -> None:
        if self._run.rechecks >= MAX_RECHECKS:
            name = self._wanted.name
            if step.lost is not None:
                raise EdgeImpulseConflictError(f"Data item {name!r}: {step.lost}")
            raise EdgeImpulseResponseError(
                f"Data item {name!r} is not listed as it was sent: {step.difference}. The next run sends it again."
            )
        self._run.rechecks += 1
        self._api.http.sleep(self._api.http.settings.settle_seconds)

    def _result(self, done: Done) -> AddDataResult:
        item, state = done.item, ItemState.of(done.item)
        return AddDataResult(
            data_id=item.id,
            name=item.name,
            dataset=item.dataset,
            organization_id=self._api.organization_id,
            outcome=done.outcome,
            file_count=item.total_file_count,
            total_bytes=item.total_file_size,
            digest=None if state is None else state.digest,
            url=self._api.page_url,
        )


def _touches(step: Step) -> bool:
    """Whether a step changes an item that is there, or would if somebody has created it since it was listed."""
    return isinstance(step, Create | MarkPending | AddFiles | RemoveFile | WriteDigest | DeleteDuplicates)


def _completes(step: Step) -> bool:
    """Whether an item is as it should be after this step, as far as the one who did it can know."""
    return isinstance(step, WriteDigest) or (isinstance(step, Create) and step.complete)


def _lacks(item: DataItem | None, file_name: str) -> bool:
    return item is not None and all(file.name != file_name for file in item.files or ())


class _PlanAnew(Exception):
    """The rest of the plan no longer fits: list the item again, and plan."""
