"""Carries the plan out: list, plan, do, until nothing is left to do. Safe to stop and to repeat at any point."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn, TypedDict

from airflow_provider_ei.exceptions import (
    EdgeImpulseAnswerError,
    EdgeImpulseFileError,
    EdgeImpulseRefusedError,
    EdgeImpulseServiceError,
    EdgeImpulseThrottledError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.studio.answers import DataItem
from airflow_provider_ei.studio.client import StudioClient
from airflow_provider_ei.studio.outcome import is_throttling, may_be_done
from airflow_provider_ei.studio.retry import asked_wait
from airflow_provider_ei.sync.digest import item_digest
from airflow_provider_ei.sync.item import WantedItem, hash_files
from airflow_provider_ei.sync.metadata import Marks, complete_metadata, pending_metadata
from airflow_provider_ei.sync.plan import (
    AddFiles,
    Create,
    DeleteDouble,
    Done,
    IfExists,
    Limits,
    LookAgain,
    MarkPending,
    Outcome,
    Progress,
    ReadFiles,
    RemoveFile,
    Step,
    WriteDigest,
    plan_item,
)
from airflow_provider_ei.sync.progress import ProgressLog

log = logging.getLogger(__name__)

#: Rounds of list, plan and do. A first upload takes three, the worst case of a test eight.
MOST_ROUNDS = 16


class AddDataResult(TypedDict):
    """What ``add_data`` did. Plain JSON, so that it can be an XCom.

    ``total_bytes`` in bytes; ``digest`` is SHA-256 over files and metadata, None for a skipped item of someone else;
    ``url`` is the page of the organization's data in Studio.
    """

    data_id: int
    name: str
    dataset: str
    organization_id: int
    outcome: Outcome
    file_count: int
    total_bytes: int
    digest: str | None
    url: str


@dataclass
class Effort:
    """What it took.

    :ivar files_sent: files that the service has acknowledged, ``bytes_sent`` their bytes.
    :ivar bytes_hashed: bytes that were read without being sent.
    :ivar unanswered: changing requests without an answer, after which the item was looked at.
    :ivar doubles: items of the same name that were removed.
    """

    files_sent: int = 0
    bytes_sent: int = 0
    bytes_hashed: int = 0
    unanswered: int = 0
    doubles: int = 0


class ItemUpload:
    """One data item on its way.

    :param wanted: the item as it should be.
    :param if_exists: what may be done to an item of that name that is there already.
    """

    def __init__(
        self, client: StudioClient, organization_id: int, wanted: WantedItem, if_exists: IfExists = "update"
    ) -> None:
        self._effort = Effort()
        self._client = client
        self._organization_id = organization_id
        self._wanted = wanted
        self._if_exists = if_exists
        self._limits = Limits(client.settings.batch_files, client.settings.batch_bytes)
        self._progress = Progress()
        self._log_progress = ProgressLog(wanted)
        self._failures = 0
        self._looked = False
        self._settled = False

    def run(self) -> AddDataResult:
        """Make the item what it should be.

        :raises EdgeImpulseError: the precise subclass. The item is then as it was, or pending, which the next run
            completes; never half-done and marked as complete.
        """
        done = self._until_done(self._listed(), looks=True)
        assert done is not None
        return self._result(done)

    def advance(self, listed: Sequence[DataItem]) -> Outcome | None:
        """Do the same for an item that is listed already, and leave the last look at it to a listing of many items.

        :param listed: all items of that name in the dataset, with their files.
        :return: None when all that is left is to call this again with what is listed then; it gives the outcome unless
            something else has happened to the item meanwhile, and then it is mended.
        :raises EdgeImpulseError: as :meth:`run` does.
        """
        done = self._until_done(listed, looks=False)
        return None if done is None else done.outcome

    def take_effort(self) -> Effort:
        """Return what it has taken since the last call."""
        effort, self._effort = self._effort, Effort()
        return effort

    def _until_done(self, listed: Sequence[DataItem], *, looks: bool) -> Done | None:
        """Go on until nothing is left to do; without ``looks``, until only the last look is left, and return None."""
        for _ in range(MOST_ROUNDS):
            self._client.check_cancelled()
            steps = plan_item(self._wanted, listed, self._progress, self._if_exists, self._limits)
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
            if steps != [ReadFiles()]:  # reading changes nothing there
                listed = self._listed()
        raise EdgeImpulseAnswerError(
            f"Data item {self._wanted.name!r} does not become what was sent: Edge Impulse accepts the changes, and its "
            "listing does not show them. Try again later; if it stays so, ask Edge Impulse's support."
        )

    def _listed(self) -> list[DataItem]:
        return self._client.find_data_items(self._organization_id, self._wanted.dataset, self._wanted.name)

    def _do(self, step: Step) -> None:
        client, organization_id, wanted = self._client, self._organization_id, self._wanted
        match step:
            case ReadFiles():
                self._effort.bytes_hashed += hash_files(wanted, client.check_cancelled)
            case Create():
                self._create(step)
            case DeleteDouble(item):
                log.warning("Deleting data item %d, a double of %r.", item.id, item.name)
                with self._unless(lambda listed: item.id not in listed):
                    client.delete_data_item(organization_id, item.id)
                self._effort.doubles += 1
            case MarkPending(item):
                self._let_earlier_run_settle(item)
                self._begin(item)
                metadata = pending_metadata(item.metadata, wanted.metadata, run=self._progress.run, sync=wanted.sync_id)
                with self._unless_gone(item):
                    client.update_data_item(organization_id, item.id, metadata=metadata)
            case AddFiles(item, files):
                with self._unless_gone(item):
                    self._sent(client.add_files(organization_id, item.id, files, self._log_progress))
            case RemoveFile(item, name):
                with self._unless_gone(item), self._unless(lambda listed: _lacks(listed.get(item.id), name)):
                    client.delete_file(organization_id, item.id, name)
            case WriteDigest():
                self._write_digest(step)
            case LookAgain(difference):
                self._look_again(difference)

    def _create(self, step: Create) -> None:
        client, wanted, progress = self._client, self._wanted, self._progress
        if step.complete:
            metadata = self._complete_metadata({}, wanted.files_digest)
        else:
            metadata = pending_metadata({}, wanted.metadata, run=progress.run, sync=wanted.sync_id)
        progress.outcome = "created"
        try:
            progress.data_id, hashes = client.add_data_item(
                self._organization_id,
                name=wanted.name,
                dataset=wanted.dataset,
                metadata=metadata,
                files=step.files,
                bucket_name=wanted.bucket_name,
                bucket_id=wanted.bucket_id,
                bucket_path=wanted.bucket_path,
                on_read=self._log_progress,
            )
        except (EdgeImpulseUnavailableError, EdgeImpulseAnswerError) as error:
            if not may_be_done(error):
                raise
            progress.unanswered += 1
            self._wait_and_look(error)
        except EdgeImpulseRefusedError as error:
            if progress.unanswered and self._listed():
                raise _PlanAnew(f"{error} An earlier attempt has arrived after all.") from error
            raise
        else:
            self._sent(hashes)

    def _write_digest(self, step: WriteDigest) -> None:
        """Write it once: before a second try the item has to be looked at, since another run may have changed it."""
        item = step.item
        self._begin(item, changes=not step.renews)
        metadata = self._complete_metadata(item.metadata, step.files_digest)
        try:
            with self._unless_gone(item):
                self._client.update_data_item(self._organization_id, item.id, metadata=metadata, once=True)
        except (EdgeImpulseUnavailableError, EdgeImpulseThrottledError, EdgeImpulseAnswerError) as error:
            self._wait_and_look(error)

    def _complete_metadata(self, listed: Mapping[str, str], files_digest: str) -> dict[str, str]:
        wanted = self._wanted
        return complete_metadata(
            listed,
            wanted.metadata,
            state=item_digest(files_digest, wanted.metadata),
            files=files_digest,
            sync=wanted.sync_id,
            fingerprint=wanted.fingerprint,
        )

    def _let_earlier_run_settle(self, item: DataItem) -> None:
        """Wait once before taking over an item that a run left pending: what it sent last may still be on its way."""
        left_by = Marks.of(item.metadata).run
        if self._progress.data_id != item.id and left_by is not None and not self._settled:
            self._settled = True
            self._client.sleep(self._client.settings.settle_seconds)
            raise _PlanAnew(f"An earlier run has left data item {item.id} unfinished; completing it.")

    def _begin(self, item: DataItem, *, changes: bool = True) -> None:
        """Take note that this run begins to change the item, and that what it may have sent counts no longer."""
        progress = self._progress
        if progress.data_id == item.id and progress.sent and Marks.of(item.metadata).run not in (None, progress.run):
            log.warning("Another run is uploading data item %d at the same time; sending its files again.", item.id)
            self._client.sleep(random.uniform(0, self._client.settings.settle_seconds))  # so that one of them is first
        if Marks.of(item.metadata).run != progress.run:
            progress.sent = set()
        progress.data_id = item.id
        if changes and progress.outcome != "created":
            progress.outcome = "updated"

    def _sent(self, hashes: Mapping[str, str]) -> None:
        known = self._wanted.hashes
        changed = next((name for name in hashes if known.get(name, hashes[name]) != hashes[name]), None)
        if changed is not None:
            raise EdgeImpulseFileError(f"{changed!r} was changed while it was being sent, without a new time or size.")
        known.update(hashes)
        self._effort.files_sent += len(hashes)
        self._effort.bytes_sent += sum(self._wanted.sizes[name] for name in hashes)
        self._progress.sent.update(hashes)

    def _wait_and_look(self, error: EdgeImpulseServiceError) -> NoReturn:
        """After a request that must not be repeated blindly: wait, and plan anew.

        :raises EdgeImpulseServiceError: the error, when it has happened as often as a request is tried.
        """
        settings = self._client.settings
        if is_throttling(error):  # no failure; the client makes the next request wait, or ends this with an error
            raise _PlanAnew(f"{error} Looking whether it has arrived.") from error
        self._failures += 1
        self._effort.unanswered += may_be_done(error)
        if self._failures >= settings.retry_attempts:
            raise error
        if not may_be_done(error):  # else the client has waited
            self._client.sleep(max(asked_wait(error), random.uniform(0, settings.retry_wait * 2**self._failures)))
        raise _PlanAnew(f"{error} Looking whether it has arrived.") from error

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
            self._progress = Progress(outcome=self._progress.outcome)
            raise _PlanAnew(f"{error} Data item {item.id} is gone; beginning anew.") from error

    def _look_again(self, difference: str) -> None:
        if self._looked:
            raise EdgeImpulseAnswerError(
                f"Data item {self._wanted.name!r} is not listed as it was sent: {difference}. "
                "The next run sends it again."
            )
        self._looked = True
        self._client.sleep(self._client.settings.settle_seconds)

    def _result(self, done: Done) -> AddDataResult:
        item, marks = done.item, Marks.of(done.item.metadata)
        return AddDataResult(
            data_id=item.id,
            name=item.name,
            dataset=item.dataset,
            organization_id=self._organization_id,
            outcome=done.outcome,
            file_count=item.total_file_count,
            total_bytes=item.total_file_size,
            digest=marks.state if marks.complete else None,
            url=self._client.settings.data_url(self._organization_id),
        )


def _completes(step: Step) -> bool:
    """Whether an item is as it should be after this step, as far as the one who did it can know."""
    return isinstance(step, WriteDigest) or (isinstance(step, Create) and step.complete)


def _lacks(item: DataItem | None, file_name: str) -> bool:
    return item is not None and all(file.name != file_name for file in item.files or ())


class _PlanAnew(Exception):
    """The rest of the plan no longer fits: list the item again, and plan."""
