"""Brings samples up to date: uploads new content, changes what is set wrongly, and removes earlier content.

The order of the steps of one file is what makes a sync exact after any fault: the new sample is there, as it should be,
before a sample with earlier content is removed. An upload can be repeated, since the service refuses content that the
project already has; the sample that it names is then looked at.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from airflow_provider_ei.exceptions import (
    EdgeImpulseConflictError,
    EdgeImpulseError,
    EdgeImpulseFileError,
    EdgeImpulseInputError,
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
)
from airflow_provider_ei.sources.named_file import NamedFile
from airflow_provider_ei.studio.api.samples import Sample
from airflow_provider_ei.studio.responses import UPLOAD_SAMPLES
from airflow_provider_ei.sync.metadata import STATE_KEY
from airflow_provider_ei.sync.samples.context import ENDS_ALL, SampleSyncContext
from airflow_provider_ei.sync.samples.deletes import SampleRemover
from airflow_provider_ei.sync.samples.plan import (
    Extra,
    PlannedSample,
    is_as_wanted,
    wanted_metadata,
    wanted_state,
)
from airflow_provider_ei.sync.samples.sample_index import SourceSample
from airflow_provider_ei.sync.samples.sample_state import SampleState
from airflow_provider_ei.sync.transfer import TransferStats

log = logging.getLogger(__name__)

#: How often a sample is changed and looked at again before it counts as failed.
MAX_ROUNDS = 4

#: Maximum size of a file in bytes.
MAX_FILE_BYTES = 100 * 1024 * 1024


class SampleSender:
    """Brings the planned files of a sync up to date, several at once, and counts them."""

    def __init__(self, context: SampleSyncContext) -> None:
        self._context = context
        self._remover = SampleRemover(context)

    def send(self, planned: list[PlannedSample]) -> None:
        """Bring files up to date.

        :raises EdgeImpulseError: only an error that ends the whole sync; other errors are counted.
        """
        self._context.tally.expect(len(planned))
        self._context.in_threads(planned, self._send)

    def _send(self, planned: PlannedSample) -> None:
        tally = self._context.tally
        if tally.service_down:
            tally.not_tried(planned.path)
            return
        try:
            outcome = self._bring(planned)
        except ENDS_ALL:
            raise
        except EdgeImpulseError as error:
            tally.fail(planned.path, error)
        else:
            tally.done(planned.path, outcome)
        tally.sent()

    def _bring(self, planned: PlannedSample) -> str:
        """Bring one file up to date, and return the outcome."""
        source, sha256 = planned.source, planned.sha256
        assert source is not None and sha256 is not None
        if planned.current is None:
            outcome = self._upload(source, sha256)
            outcome = "updated" if planned.earlier else outcome
        else:
            self._settle(source, sha256, planned.current.sample.id)
            outcomes = {"repair": "repaired", "renew": "unchanged"}
            outcome = outcomes.get(planned.action, "updated")
        for earlier in planned.earlier:
            self._remover.remove_earlier(Extra.of(earlier))
        return outcome

    # --- new content --------------------------------------------------------------------------------------

    def _upload(self, source: SourceSample, sha256: str) -> str:
        """Upload a file, unless the project has its content."""
        file = source.file
        assert file is not None
        if file.size > MAX_FILE_BYTES:
            raise EdgeImpulseInputError(
                f"Divide the file: it has {file.size} bytes, and the service takes {MAX_FILE_BYTES}."
            )
        state = wanted_state(source, self._context.options.sync_id, sha256)
        answers, digests = self._context.ingestion.upload_files(
            source.category,
            [NamedFile(source.name, file)],
            label=source.label,
            metadata={**source.metadata, STATE_KEY: state.text()},
        )
        (answer,) = answers
        self._context.tally.spent(TransferStats(files_sent=1, bytes_sent=file.size))
        if answer.success:
            if digests.get(source.name, sha256) != sha256:
                raise EdgeImpulseFileError(f"{file.source} was changed between two reads. Let its writer finish first.")
            return "created"
        if answer.duplicate_of is None:
            raise EdgeImpulseRefusedError(
                f"The service refuses the file: {answer.error}", operation=UPLOAD_SAMPLES, status=200
            )
        return self._take_existing(source, sha256, answer.duplicate_of)

    def _take_existing(self, source: SourceSample, sha256: str, ids: tuple[int, ...]) -> str:
        """Use a sample that has the content of a file already."""
        if not ids:
            raise EdgeImpulseResponseError(
                "Compare the sample in Studio: the service says that the project has this content, and not in which "
                "sample.",
                operation=UPLOAD_SAMPLES,
                status=200,
            )
        found = [sample for sample_id in ids if (sample := self._context.find(sample_id)) is not None]
        if not found:
            raise _again(f"the project had this content in sample {ids[0]}, which is gone now.")
        states = [SampleState.of(sample) for sample in found]
        for sample, state in zip(found, states, strict=True):
            if self._is_own(state) and state is not None and state.path == source.path:
                # An earlier try has stored it, and its response was lost.
                self._settle(source, sha256, sample.id)
                return "created"
        for sample, state in zip(found, states, strict=True):
            if self._is_own(state) and state is not None and self._is_left_behind(state):
                if not self._context.take(sample.id):
                    raise _same_content(sample.id, "another file")
                log.info(
                    "Sample %d of %r is now that of %r, which has its content.", sample.id, state.path, source.path
                )
                self._settle(source, sha256, sample.id)
                return "updated"
        return self._adopt(source, sha256, found[0], states[0])

    def _adopt(self, source: SourceSample, sha256: str, sample: Sample, state: SampleState | None) -> str:
        """Remember a sample of somebody else that is exactly what a file should be. It is never deleted."""
        if self._is_own(state) and state is not None:
            raise _same_content(sample.id, repr(state.path))
        if state is not None or (sample.category, sample.label) != (source.category, source.label):
            owner = f"sync {state.sync!r}" if state is not None else "somebody else"
            raise EdgeImpulseConflictError(
                f"Delete sample {sample.id} in Studio, or exclude the file: the sample has the same content, belongs "
                f"to {owner}, and is {sample.label!r} in {sample.category}, not {source.label!r} in {source.category}."
            )
        if not self._context.take(sample.id):
            raise _same_content(sample.id, "another file")
        self._settle(source, sha256, sample.id, adopt=True)
        return "updated"

    def _is_own(self, state: SampleState | None) -> bool:
        return state is not None and state.sync == self._context.options.sync_id

    def _is_left_behind(self, state: SampleState) -> bool:
        """Return whether the file that a sample was made from is gone from the source."""
        source = self._context.source
        return source.lacks(state.path) and source.presence(state.path).state in ("absent", "empty")

    # --- category, label and metadata ---------------------------------------------------------------------

    def _settle(self, source: SourceSample, sha256: str, sample_id: int, *, adopt: bool = False) -> None:
        """Give a sample the category, label, metadata and state that it should have, until the service shows them.

        The state is changed last: until then, the next run looks at the sample again.
        """
        api = self._context.api
        for round_number in range(MAX_ROUNDS):
            sample = self._context.find(sample_id)
            if sample is None:
                raise _again(f"sample {sample_id} was deleted in the meantime.")
            before = SampleState.of(sample)
            if before is None and not adopt:
                raise _again(f"the metadata of sample {sample_id} were removed in the meantime.")
            if before is not None and not self._is_own(before):
                raise EdgeImpulseConflictError(
                    f"Sync the file with only one sync: sample {sample_id} belongs to sync {before.sync!r} now."
                )
            state = wanted_state(source, self._context.options.sync_id, sha256, sample)
            if adopt:
                state = replace(state, adopted=True)
            if is_as_wanted(source, sample) and before is not None and before == replace(state, keys=before.keys):
                return
            if sample.label != source.label:
                api.edit_label(sample_id, source.label)
            if sample.category != source.category:
                api.move_sample(sample_id, source.category)
            metadata = wanted_metadata(source, sample, state, blank=round_number > 0)
            if metadata != (sample.metadata or {}):
                api.set_metadata(sample_id, metadata)
        raise EdgeImpulseResponseError(
            f"Look at sample {sample_id} in Studio: the service accepts its label, category and metadata, and shows "
            "others afterwards.",
            operation="getSample",
            status=200,
        )


def _again(what: str) -> EdgeImpulseConflictError:
    error = EdgeImpulseConflictError(f"Run the task again: {what}")
    error.retryable = True
    return error


def _same_content(sample_id: int, other: str) -> EdgeImpulseConflictError:
    return EdgeImpulseConflictError(
        "Exclude one of two files with the same content: a project has each content only once, and sample "
        f"{sample_id} has it for {other}."
    )
