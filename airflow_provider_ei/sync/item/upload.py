"""Uploads a data item: list, plan and perform until nothing is left to do. Safe to stop and repeat at any point.

Before the first change to an item, a run fetches the item again, however recent the listing is. Before it creates an
item, it searches for the name. So it notices what somebody has done in Studio in the meantime. A race of one round trip
remains, since the API has no locks.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from airflow_provider_ei.exceptions import EdgeImpulseResponseError
from airflow_provider_ei.results import AddDataResult, Outcome
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.item.attempt import Attempt, SharedLimits
from airflow_provider_ei.sync.item.conflicts import IfExists, check_known_service
from airflow_provider_ei.sync.item.perform import check_copies, perform
from airflow_provider_ei.sync.item.plan import plan_item
from airflow_provider_ei.sync.item.retry_checks import PlanAgain
from airflow_provider_ei.sync.item.steps import Create, DeleteDuplicates, Done, LookFirst, ReadFiles, Step, WriteDigest
from airflow_provider_ei.sync.item.wanted import WantedItem
from airflow_provider_ei.sync.item_state import ItemState
from airflow_provider_ei.sync.transfer import TransferStats

log = logging.getLogger(__name__)

#: Rounds of list, plan and perform. A first upload takes three, the worst case of a test nine.
MAX_ROUNDS = 20


class ItemUpload:
    """The upload of one data item.

    :param wanted: the item as it should be.
    :param if_exists: what to do with an existing item of that name.
    :param shared: limits that it shares with the other items of a sync.
    """

    def __init__(
        self,
        api: OrganizationDataApi,
        wanted: WantedItem,
        if_exists: IfExists = "update",
        shared: SharedLimits | None = None,
    ) -> None:
        self._attempt = Attempt(api, wanted, if_exists, shared or SharedLimits.of(api))

    @property
    def data_id(self) -> int | None:
        """The id of the item that this run created or started to change."""
        return self._attempt.run.data_id

    def run(self) -> AddDataResult:
        """Upload the item.

        :raises EdgeImpulseError: a specific subclass. The item is then unchanged, or pending and completed by the next
            run; it is never incomplete but marked as complete.
        """
        done = self._until_done(self._attempt.list_items(), last_look=True)
        assert done is not None
        return self._result(done)

    def advance(self, listed: Sequence[DataItem], *, last_look: bool) -> Outcome | None:
        """Upload an item that is already listed.

        :param listed: all items that may be the wanted item, with their files, from a listing of any age.
        :param last_look: check the item at the end. Otherwise, call this method again with a later listing.
        :return: the outcome; None if only the final check is left.
        :raises EdgeImpulseError: as :meth:`run` does.
        """
        run = self._attempt.run
        run.fresh, run.absence_known = False, self._attempt.shared.alone
        done = self._until_done(listed, last_look=last_look)
        return None if done is None else done.outcome

    def check_duplicates(self, listed: Sequence[DataItem]) -> None:
        """Check whether duplicates are copies, and change nothing.

        :raises EdgeImpulseConflictError: when a run would not remove them.
        """
        for _ in range(MAX_ROUNDS):
            (step, *_) = self._plan(listed)
            if not isinstance(step, DeleteDuplicates):
                return
            try:
                check_copies(self._attempt, step)
                return
            except PlanAgain as reason:  # one of them is gone by now
                log.warning("%s", reason)
                listed = self._attempt.list_items()

    def take_stats(self) -> TransferStats:
        """Return the counts since the last call."""
        stats, self._attempt.stats = self._attempt.stats, TransferStats()
        return stats

    def _plan(self, listed: Sequence[DataItem]) -> list[Step]:
        attempt = self._attempt
        return plan_item(attempt.wanted, listed, attempt.run, attempt.if_exists, attempt.shared.batches)

    def _until_done(self, listed: Sequence[DataItem], *, last_look: bool) -> Done | None:
        check_known_service(self._attempt.api.http.settings.service, self._attempt.wanted)
        try:
            return self._go_on(listed, last_look=last_look)
        finally:
            self._attempt.kept.release()

    def _go_on(self, listed: Sequence[DataItem], *, last_look: bool) -> Done | None:
        attempt = self._attempt
        for _ in range(MAX_ROUNDS):
            attempt.api.http.check_cancelled()
            steps = self._plan(listed)
            if isinstance(steps[0], Done):
                return steps[0]
            if isinstance(steps[0], LookFirst):
                listed = attempt.look(steps[0])
                continue
            is_complete = self._perform(steps)
            if is_complete and not last_look:
                return None
            if steps == [ReadFiles()]:  # changes nothing on the service, but takes time
                attempt.run.fresh = False
            else:
                listed = attempt.list_items()
        raise EdgeImpulseResponseError(
            f"Try again later: data item {attempt.wanted.name!r} does not become what was sent. Edge Impulse accepts "
            "the changes, and its listing does not show them. If it stays so, ask Edge Impulse's support."
        )

    def _perform(self, steps: Sequence[Step]) -> bool:
        """Perform steps; return whether the item should now be complete."""
        try:
            for step in steps:
                perform(self._attempt, step)
        except PlanAgain as reason:
            log.warning("%s", reason)
            return False
        return isinstance(steps[-1], WriteDigest) or (isinstance(steps[-1], Create) and steps[-1].complete)

    def _result(self, done: Done) -> AddDataResult:
        item, state = done.item, ItemState.of(done.item)
        return AddDataResult(
            data_id=item.id,
            name=item.name,
            dataset=item.dataset,
            organization_id=self._attempt.api.organization_id,
            outcome=done.outcome,
            file_count=item.total_file_count,
            total_bytes=item.total_file_size,
            digest=None if state is None else state.digest,
            url=self._attempt.api.page_url,
        )
