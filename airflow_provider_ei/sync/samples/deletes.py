"""Deletes samples that the source no longer has, after a final check of both the sample and the source."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseRefusedError, EdgeImpulseServiceError
from airflow_provider_ei.studio.api.samples import Sample
from airflow_provider_ei.sync.samples.context import ENDS_ALL, SampleSyncContext
from airflow_provider_ei.sync.samples.plan import Extra
from airflow_provider_ei.sync.samples.sample_state import SampleState

log = logging.getLogger(__name__)


class SampleRemover:
    """Removes samples of a sync.

    The plan may be out of date: somebody may have relabeled, moved or marked the sample, another sync may have taken it
    over, or its file may be back. So right before each delete, and before each retry, the sample is fetched by its id
    and its path in the source is checked. It is deleted only if it is ours, unchanged since the plan, and still absent
    from the source.
    """

    def __init__(self, context: SampleSyncContext) -> None:
        self._context = context
        self._tally = context.tally

    def remove(self, planned: Sequence[Extra]) -> None:
        """Delete samples whose file is gone, unless a sample has failed, and count them.

        :raises EdgeImpulseError: only an error that ends the whole sync; other errors are counted.
        """
        if not planned:
            return
        if self._tally.failed:
            log.warning("Nothing is deleted, since samples have failed.")
            return
        self._context.in_threads(self._certain(planned), self._remove_extra)

    def would_delete(self, planned: Sequence[Extra]) -> list[Extra]:
        """Return the samples that :meth:`remove` would delete now; the others are counted in the same way."""
        if self._tally.failed:
            return []
        return [extra for extra in self._certain(planned) if self._may_be_deleted(extra)]

    def remove_earlier(self, earlier: Extra) -> None:
        """Delete the sample with the earlier content of a file, after the sample with the new content is there.

        :raises EdgeImpulseError: when it cannot be deleted; one that must not be deleted is counted as kept.
        """
        try:
            self._delete(earlier, check_source=False)
        except _Kept as reason:
            self._tally.keep(earlier.path, f"sample {earlier.id} has earlier content: {reason}")

    def _remove_extra(self, extra: Extra) -> None:
        try:
            deleted = self._delete(extra, check_source=True)
        except _Kept as reason:
            self._tally.keep(extra.path, str(reason))
        except ENDS_ALL:
            raise
        except EdgeImpulseError as error:
            self._tally.fail(extra.path, error)
        else:
            if deleted:
                self._tally.done(extra.path, "deleted")

    def _delete(self, extra: Extra, *, check_source: bool) -> bool:
        """Delete a sample; return False if it is gone already.

        :raises _Kept: when it must not be deleted.
        """

        def before_retry(failure: EdgeImpulseServiceError) -> None:
            if not self._check(extra, check_source=check_source):
                raise _Deleted

        if not self._check(extra, check_source=check_source):
            log.info("Sample %d of %r is gone already.", extra.id, extra.path)
            return False
        log.info("Deleting sample %d of %r.", extra.id, extra.path)
        try:
            self._context.api.delete_sample(extra.id, before_retry=before_retry)
        except _Deleted:
            pass  # by a try whose response was lost
        except EdgeImpulseRefusedError:
            if self._context.find(extra.id) is not None:
                raise
        return True

    def _certain(self, planned: Sequence[Extra]) -> list[Extra]:
        """Return the samples that are the only one of their file with their content.

        A sample that was made from another one in Studio may have its metadata, so that we cannot tell which one is
        ours. Samples that are not returned are counted as kept.
        """
        planned = [extra for extra in planned if not self._context.is_taken(extra.id)]
        numbers = Counter((extra.path, extra.sha256) for extra in planned)
        certain = []
        for extra in planned:
            if numbers[extra.path, extra.sha256] == 1:
                certain.append(extra)
            else:
                reason = (
                    f"delete those that are not needed in Studio: sample {extra.id} is one of several of this file."
                )
                self._tally.keep(extra.path, reason)
        return certain

    def _may_be_deleted(self, extra: Extra) -> bool:
        try:
            return self._check(extra, check_source=True)
        except _Kept as reason:
            self._tally.keep(extra.path, str(reason))
        except ENDS_ALL:
            raise
        except EdgeImpulseError as error:
            self._tally.fail(extra.path, error)
        return False

    def _check(self, extra: Extra, *, check_source: bool) -> bool:
        """Check the sample and the source; return False if the sample is gone.

        :raises _Kept: when it must not be deleted.
        """
        now = self._context.find(extra.id)
        if now is None:
            return False
        objection = _objection(extra, now, self._context.options.sync_id)
        if objection is None and check_source:
            objection = self._objection_of_source(extra.path)
        if objection is not None:
            raise _Kept(objection)
        return True

    def _objection_of_source(self, path: str) -> str | None:
        presence = self._context.source.presence(path)
        if presence.state == "absent":
            return None
        if presence.state in ("unknown", "empty"):
            return f"whether the source has it cannot be told now: {presence.reason}"
        return "the source has it again."


def _objection(extra: Extra, now: Sample, sync_id: str) -> str | None:
    """Return why a sample must not be deleted; None if it may be deleted."""
    state = SampleState.of(now)
    if state is None or state.sync != sync_id:
        return "it no longer belongs to this sync."
    if state.adopted:
        return "it was uploaded by somebody else."
    if not state.names(now):
        return f"it was renamed, and is {now.filename!r} now."
    if (state.path, state.sha256) != (extra.path, extra.sha256):
        return "it was changed since."
    if not state.holds(now):
        return "somebody has changed its label, category or metadata."
    if (now.metadata or {}) != (extra.sample.metadata or {}):
        return "its metadata were changed since."
    return None


class _Kept(Exception):
    """A sample must not be deleted, for the reason in the message."""


class _Deleted(Exception):
    """A sample was deleted by an earlier try or by somebody else."""
