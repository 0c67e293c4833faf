"""Carries the plan out: list, plan, do, until nothing is left to do. Safe to stop and to repeat at any point."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from airflow_provider_ei.studio.outcome import may_be_done
from airflow_provider_ei.studio.retry import asked_wait
from airflow_provider_ei.sync.digest import sha256_of
from airflow_provider_ei.sync.item import WantedItem
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


class ItemUpload:
    """One data item on its way.

    :param wanted: the item as it should be.
    :param if_exists: what may be done to an item of that name that is there already.
    """

    def __init__(
        self, client: StudioClient, organization_id: int, wanted: WantedItem, if_exists: IfExists = "update"
    ) -> None:
        self._client = client
        self._organization_id = organization_id
        self._wanted = wanted
        self._if_exists = if_exists
        self._limits = Limits(client.settings.batch_files, client.settings.batch_bytes)
        self._progress = Progress()
        self._log_progress = ProgressLog(wanted.sizes)
        self._failures = 0
        self._looked = False
        self._settled = False

    def run(self) -> AddDataResult:
        """Make the item what it should be.

        :raises EdgeImpulseError: the precise subclass. The item is then as it was, or pending, which the next run
            completes; never half-done and marked as complete.
        """
        listed = self._listed()
        for _ in range(MOST_ROUNDS):
            self._client.check_cancelled()
            steps = plan_item(self._wanted, listed, self._progress, self._if_exists, self._limits)
            for step in steps:
                if isinstance(step, Done):
                    return self._result(step)
                try:
                    self._do(step)
                except _PlanAnew as reason:
                    log.warning("%s", reason)
                    break
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
                for file in wanted.files:
                    if file.name not in wanted.hashes:
                        wanted.hashes[file.name] = sha256_of(file, lambda *_: client.check_cancelled())
            case Create():
                self._create(step)
            case DeleteDouble(item):
                log.warning("Deleting data item %d, a double of %r.", item.id, item.name)
                with self._unless(lambda listed: item.id not in listed):
                    client.delete_data_item(organization_id, item.id)
            case MarkPending(item):
                self._let_earlier_run_settle(item)
                self._begin(item)
                metadata = pending_metadata(item.metadata, wanted.metadata, run=self._progress.run)
                with self._unless_gone(item):
                    client.update_data_item(organization_id, item.id, metadata=metadata)
            case AddFiles(item, files):
                with self._unless_gone(item):
                    self._sent(client.add_files(organization_id, item.id, files, self._log_progress))
            case RemoveFile(item, name):
                with self._unless_gone(item), self._unless(lambda listed: _lacks(listed.get(item.id), name)):
                    client.delete_file(organization_id, item.id, name)
            case WriteDigest(item):
                self._write_digest(item)
            case LookAgain(difference):
                self._look_again(difference)

    def _create(self, step: Create) -> None:
        client, wanted, progress = self._client, self._wanted, self._progress
        if step.complete:
            metadata = complete_metadata({}, wanted.metadata, state=wanted.digest, files=wanted.files_digest)
        else:
            metadata = pending_metadata({}, wanted.metadata, run=progress.run)
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

    def _write_digest(self, item: DataItem) -> None:
        """Write it once: before a second try the item has to be looked at, since another run may have changed it."""
        wanted = self._wanted
        self._begin(item)
        metadata = complete_metadata(item.metadata, wanted.metadata, state=wanted.digest, files=wanted.files_digest)
        try:
            with self._unless_gone(item):
                self._client.update_data_item(self._organization_id, item.id, metadata=metadata, once=True)
        except (EdgeImpulseUnavailableError, EdgeImpulseThrottledError, EdgeImpulseAnswerError) as error:
            self._wait_and_look(error)

    def _let_earlier_run_settle(self, item: DataItem) -> None:
        """Wait once before taking over an item that a run left pending: what it sent last may still be on its way."""
        left_by = Marks.of(item.metadata).run
        if self._progress.data_id != item.id and left_by is not None and not self._settled:
            self._settled = True
            self._client.sleep(self._client.settings.settle_seconds)
            raise _PlanAnew(f"An earlier run has left data item {item.id} unfinished; completing it.")

    def _begin(self, item: DataItem) -> None:
        """Take note that this run begins to change the item, and that what it may have sent counts no longer."""
        progress = self._progress
        if progress.data_id == item.id and progress.sent and Marks.of(item.metadata).run not in (None, progress.run):
            log.warning("Another run is uploading data item %d at the same time; sending its files again.", item.id)
            self._client.sleep(random.uniform(0, self._client.settings.settle_seconds))  # so that one of them is first
        if Marks.of(item.metadata).run != progress.run:
            progress.sent = set()
        progress.data_id = item.id
        if progress.outcome != "created":
            progress.outcome = "updated"

    def _sent(self, hashes: Mapping[str, str]) -> None:
        known = self._wanted.hashes
        changed = next((name for name in hashes if known.get(name, hashes[name]) != hashes[name]), None)
        if changed is not None:
            raise EdgeImpulseFileError(f"{changed!r} was changed while it was being sent, without a new time or size.")
        known.update(hashes)
        self._progress.sent.update(hashes)

    def _wait_and_look(self, error: EdgeImpulseServiceError) -> NoReturn:
        """After a request that must not be repeated blindly: wait, and plan anew.

        :raises EdgeImpulseServiceError: the error, when it has happened as often as a request is tried.
        """
        settings = self._client.settings
        self._failures += 1
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
            url=f"{self._client.settings.web_url}/organization/{self._organization_id}/data",
        )


def _lacks(item: DataItem | None, file_name: str) -> bool:
    return item is not None and all(file.name != file_name for file in item.files or ())


class _PlanAnew(Exception):
    """The rest of the plan no longer fits: list the item again, and plan."""
