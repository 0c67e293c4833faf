"""Performs the steps of an upload. A step that no longer fits raises ``PlanAgain``."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import NoReturn

from airflow_provider_ei.exceptions import (
    EdgeImpulseConflictError,
    EdgeImpulseFileError,
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
    EdgeImpulseServiceError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.studio.retry import may_be_done
from airflow_provider_ei.sync.digest import item_digest
from airflow_provider_ei.sync.item.attempt import Attempt
from airflow_provider_ei.sync.item.conflicts import ambiguous_items, others_item
from airflow_provider_ei.sync.item.duplicates import is_copy, same
from airflow_provider_ei.sync.item.plan import SMALL_ITEM_BYTES
from airflow_provider_ei.sync.item.retry_checks import (
    PlanAgain,
    if_ours,
    if_unchanged,
    in_smaller_batches,
    unless_done,
    unless_gone,
)
from airflow_provider_ei.sync.item.steps import (
    AddFiles,
    CompareBytes,
    Create,
    DeleteDuplicates,
    LetSettle,
    MarkPending,
    ReadFiles,
    RecheckListing,
    RemoveFile,
    Step,
    WriteDigest,
)
from airflow_provider_ei.sync.item.wanted import hash_files
from airflow_provider_ei.sync.item_state import ItemState, complete_metadata, creation_digest, pending_metadata

log = logging.getLogger(__name__)

#: How often a run waits for the listing to show what was sent.
MAX_RECHECKS = 2


def perform(attempt: Attempt, step: Step) -> None:
    """Perform one step.

    :raises PlanAgain: when the remaining steps no longer fit.
    :raises EdgeImpulseError: when the upload cannot continue.
    """
    api = attempt.api
    match step:
        case ReadFiles():
            _read_files(attempt)
        case LetSettle(item):
            attempt.run.settled = True
            attempt.settle()
            raise PlanAgain(f"An earlier run has left data item {item.id} unfinished; completing it.")
        case CompareBytes(item):
            _compare_bytes(attempt, item)
        case Create():
            _create(attempt, step)
        case DeleteDuplicates():
            _delete_duplicates(attempt, step)
        case MarkPending(item):
            _mark_pending(attempt, item)
        case AddFiles(item, files):
            before_retry = if_ours(attempt, item)
            with unless_gone(attempt, item), in_smaller_batches(attempt, files):
                sent = attempt.kept.instead_of(files)
                _note_sent(attempt, api.add_files(item.id, sent, attempt.log_progress, before_retry=before_retry))
        case RemoveFile(item, name):
            with unless_gone(attempt, item), unless_done(attempt, lambda listed: _lacks(listed.get(item.id), name)):
                api.delete_file(item.id, name, before_retry=if_ours(attempt, item))
        case WriteDigest():
            _write_digest(attempt, step)
        case RecheckListing():
            _recheck(attempt, step)


def check_copies(attempt: Attempt, step: DeleteDuplicates) -> None:
    """Check whether duplicates are copies, and change nothing.

    :raises EdgeImpulseConflictError: when a run would not remove them.
    """
    if not _are_copies(attempt, step) or not attempt.shared.duplicates.take(len(step.items)):
        raise EdgeImpulseConflictError(ambiguous_items(attempt.wanted, [step.kept, *step.items]))


def _read_files(attempt: Attempt) -> None:
    wanted = attempt.wanted
    kept = attempt.kept if wanted.total_bytes <= SMALL_ITEM_BYTES else None
    attempt.stats.bytes_hashed += hash_files(wanted, attempt.api.http.check_cancelled, kept)


def _state(attempt: Attempt, *, files_digest: str | None = None) -> ItemState:
    """Return the state to write into the item's metadata."""
    wanted = attempt.wanted
    return ItemState(
        name=wanted.name,
        dataset=wanted.dataset,
        state="pending" if files_digest is None else "complete",
        run=attempt.run.run,
        sync=wanted.sync_id,
        origin=wanted.origin,
        files=files_digest,
        digest=None if files_digest is None else item_digest(files_digest, wanted.metadata),
        fingerprint=None if files_digest is None else wanted.fingerprint,
    )


def _create(attempt: Attempt, step: Create) -> None:
    wanted, run = attempt.wanted, attempt.run
    if step.complete:
        metadata = complete_metadata(None, wanted.metadata, _state(attempt, files_digest=wanted.files_digest))
    else:
        created_with = creation_digest(((file.name, file.size) for file in step.files), wanted.metadata)
        metadata = pending_metadata(None, wanted.metadata, replace(_state(attempt), created_with=created_with))
    run.outcome = "created"
    try:
        with in_smaller_batches(attempt, step.files):
            run.data_id, hashes = attempt.api.add_data_item(
                name=wanted.name,
                dataset=wanted.dataset,
                metadata=metadata,
                files=attempt.kept.instead_of(step.files),
                bucket_name=wanted.bucket_name,
                bucket_id=wanted.bucket_id,
                bucket_path=wanted.bucket_path,
                on_read=attempt.log_progress,
            )
    except (EdgeImpulseUnavailableError, EdgeImpulseResponseError) as error:
        if not may_be_done(error):
            raise
        run.unanswered += 1
        _wait_and_look(attempt, error)
    except EdgeImpulseRefusedError as error:
        if run.unanswered and attempt.list_items():
            raise PlanAgain(f"{error} An earlier attempt has arrived after all.") from error
        raise
    else:
        _note_sent(attempt, hashes)


def _wait_and_look(attempt: Attempt, error: EdgeImpulseServiceError) -> NoReturn:
    """Plan again after a creation that may have been carried out. The client has already waited for the listing.

    :raises EdgeImpulseServiceError: the given error, after the maximum number of tries.
    """
    attempt.stats.unanswered += 1
    if not error.throttled:  # throttling is not a failure; the client delays the next request, or gives up
        attempt.run.failures += 1
        if attempt.run.failures >= attempt.api.http.settings.retry_attempts:
            raise error
    raise PlanAgain(f"{error} Looking whether it has arrived.") from error


def _compare_bytes(attempt: Attempt, item: DataItem) -> NoReturn:
    """Refuse to adopt an item of someone else if its files have different bytes, which a listing does not show.

    :raises EdgeImpulseConflictError: when the bytes differ; nothing is changed.
    """
    wanted = attempt.wanted
    _read_files(attempt)
    for name, sha256 in wanted.hashes.items():
        if attempt.api.file_sha256(item.id, name) != sha256:
            raise EdgeImpulseConflictError(others_item(wanted, item, f"{name!r} has other bytes"))
    attempt.run.adopted.add(item.id)
    raise PlanAgain(f"Data item {item.id} was not uploaded by this package, and has the same files; adopting it.")


def _mark_pending(attempt: Attempt, item: DataItem) -> None:
    _begin(attempt, item)
    attempt.run.sent = set()
    metadata = pending_metadata(item, attempt.wanted.metadata, _state(attempt).stored_as(item, None))
    with unless_gone(attempt, item):
        attempt.api.update_data_item(item.id, metadata=metadata, before_retry=if_unchanged(attempt, item))


def _write_digest(attempt: Attempt, step: WriteDigest) -> None:
    item = step.item
    _begin(attempt, item, changes=not step.renews)
    state = _state(attempt, files_digest=step.files_digest).stored_as(item, step.stored_files)
    metadata = complete_metadata(item, attempt.wanted.metadata, state)
    with unless_gone(attempt, item):
        attempt.api.update_data_item(item.id, metadata=metadata, before_retry=if_unchanged(attempt, item))


def _begin(attempt: Attempt, item: DataItem, *, changes: bool = True) -> None:
    """Record that this run starts to change the item; forget the sent files if another run has written to it."""
    run, state = attempt.run, ItemState.of(item)
    others = state is not None and state.run != run.run
    if others and run.data_id == item.id and run.sent and not (state and state.complete):
        log.warning("Another run is uploading data item %d at the same time; sending its files again.", item.id)
        http = attempt.api.http
        http.sleep(random.uniform(0, http.settings.settle_seconds))  # so that one of the two runs is first
    if others or state is None:
        run.sent = set()
    run.data_id = item.id
    run.seen = True
    if changes and run.outcome != "created":
        run.outcome = "updated"


def _note_sent(attempt: Attempt, hashes: Mapping[str, str]) -> None:
    known, sizes = attempt.wanted.hashes, attempt.wanted.sizes
    changed = next((name for name in known.keys() & hashes.keys() if known[name] != hashes[name]), None)
    if changed is not None:
        raise EdgeImpulseFileError(f"{changed!r} was changed while it was being sent, without a new time or size.")
    known.update(hashes)
    attempt.stats.files_sent += len(hashes)
    attempt.stats.bytes_sent += sum(sizes[name] for name in hashes)
    attempt.run.sent.update(hashes)


def _delete_duplicates(attempt: Attempt, step: DeleteDuplicates) -> None:
    """Delete copies, each after a final check.

    :raises EdgeImpulseConflictError: when it is not certain that all of them are copies; the user must choose.
    """
    kept, run = step.kept, attempt.run
    if not _are_copies(attempt, step):
        if not run.rechecks:  # another run may be about to fix it
            run.rechecks += 1
            attempt.settle()
            raise PlanAgain(f"Several data items are named {kept.name!r}, the oldest is {kept.id}; looking again.")
        raise EdgeImpulseConflictError(ambiguous_items(attempt.wanted, [kept, *step.items]))
    if not attempt.shared.duplicates.take(len(step.items)):
        raise EdgeImpulseConflictError(ambiguous_items(attempt.wanted, [kept, *step.items]))
    for item in step.items:
        now = attempt.get(item.id)
        if now is None or not same(now, item):
            raise PlanAgain(f"Data item {item.id} was changed meanwhile; looking again.")
        log.warning("Deleting data item %d, a copy of data item %d, %r.", item.id, kept.id, kept.name)
        with unless_done(attempt, lambda listed, gone=item.id: gone not in listed):  # type: ignore[misc]
            attempt.api.delete_data_item(item.id, before_retry=if_unchanged(attempt, item))
        attempt.stats.duplicates += 1


def _are_copies(attempt: Attempt, step: DeleteDuplicates) -> bool:
    """Return whether all of them are provably copies. Plans again if one is deleted before it is read."""
    _read_files(attempt)
    try:
        return all(is_copy(attempt.api, item, step.kept, attempt.wanted) for item in step.items)
    except EdgeImpulseRefusedError as error:
        message = f"{error} One of the data items named {step.kept.name!r} is gone; looking again."
        raise PlanAgain(message) from error


def _recheck(attempt: Attempt, step: RecheckListing) -> None:
    if attempt.run.rechecks >= MAX_RECHECKS:
        name = attempt.wanted.name
        if step.lost is not None:
            raise EdgeImpulseConflictError(f"Data item {name!r}: {step.lost}")
        raise EdgeImpulseResponseError(
            f"Data item {name!r} is not listed as sent: {step.difference}. The next run sends it again."
        )
    attempt.run.rechecks += 1
    attempt.settle()


def _lacks(item: DataItem | None, file_name: str) -> bool:
    return item is not None and all(file.name != file_name for file in item.files or ())
