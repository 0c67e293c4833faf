"""Deletes what a check has made, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from airflow_provider_ei.check.questions import describe_error
from airflow_provider_ei.check.trial_items import MANIFEST, is_manifest, is_marked, is_unmarked_one, mark_of
from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseError, EdgeImpulseRefusedError
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.models import DataItem


@dataclass(frozen=True)
class Leftover:
    """A data item in the dataset of a check that still exists.

    :ivar data_id: None if the dataset cannot be listed.
    """

    dataset: str
    data_id: int | None
    why: str


def clean(api: OrganizationDataApi, dataset: str, created: Iterable[int] = ()) -> list[Leftover]:
    """Delete the items of a check, the manifest last, so that a clean-up that is interrupted can be repeated.

    Each item is fetched by its id right before it is deleted, and deleted only if it is certainly from a check: it is
    in a dataset of a check and has its mark, or it is the item without metadata that the manifest names.

    :param dataset: the dataset of a check.
    :param created: ids that the service has returned for this check's own items. They may lack the mark if the service
        has not kept it.
    :return: what is left in the dataset.
    """
    if mark_of(dataset) is None:
        return []
    cleanup = _Cleanup(api, dataset, set(created))
    try:
        return cleanup.run()
    except EdgeImpulseError as error:
        why = describe_error(error)
        return leftovers(dataset, sorted(cleanup.left), why)


def leftovers(dataset: str, ids: Sequence[int], why: str) -> list[Leftover]:
    """Describe items that are left behind, or the whole dataset if no id is known."""
    return [Leftover(dataset, data_id, why) for data_id in ids] or [Leftover(dataset, None, why)]


class _Cleanup:
    """One clean-up of one dataset.

    :ivar left: ids that may still exist.
    """

    def __init__(self, api: OrganizationDataApi, dataset: str, created: set[int]) -> None:
        self._api = api
        self._dataset = dataset
        self._created = created
        self.left = set(created)

    def run(self) -> list[Leftover]:
        listed = {item.id: item for item in self._api.list_data_items(self._dataset)}
        self.left |= listed.keys()
        # An item that is not listed yet may be the manifest, too.
        candidates = {data_id for data_id in self.left if data_id not in listed or listed[data_id].name == MANIFEST}
        manifests = {data_id for data_id in candidates if self._is_manifest(data_id)}
        kept = [left for data_id in sorted(self.left - manifests) if (left := self._delete(data_id, manifests))]
        if kept:
            return kept + [Leftover(self._dataset, data_id, "it names the others") for data_id in sorted(manifests)]
        return [left for data_id in sorted(manifests) if (left := self._delete(data_id, set()))]

    def _is_manifest(self, data_id: int) -> bool:
        item = self._get(data_id)
        return item is not None and is_manifest(item, self._dataset)

    def _get(self, data_id: int) -> DataItem | None:
        """Return an item; None if it does not exist."""
        try:
            return self._api.get_data_item(data_id)
        except EdgeImpulseRefusedError:
            return None

    def _delete(self, data_id: int, manifests: set[int]) -> Leftover | None:
        item = self._get(data_id)
        if item is None:
            self.left.discard(data_id)
            return None
        if not self._is_ours(item, manifests):
            self.left.discard(data_id)
            return Leftover(self._dataset, data_id, "it is not certain that a check has made it")
        try:
            self._api.delete_data_item(data_id)
        except EdgeImpulseAuthError as error:
            return Leftover(self._dataset, data_id, describe_error(error))
        except EdgeImpulseError as error:
            if self._get(data_id) is not None:
                return Leftover(self._dataset, data_id, describe_error(error))
        self.left.discard(data_id)
        return None

    def _is_ours(self, item: DataItem, manifests: set[int]) -> bool:
        if is_marked(item, self._dataset):
            return True
        if item.dataset != self._dataset:
            return False
        return item.id in self._created or (bool(manifests) and is_unmarked_one(item, self._dataset))
