"""Changes samples that are in the project already to what is wanted."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_ei.exceptions import EdgeImpulseConflictError, EdgeImpulseResponseError
from airflow_provider_ei.samples.compare import Difference, differences, strings
from airflow_provider_ei.samples.sample_file import Annotation
from airflow_provider_ei.studio.api.samples import Sample, SamplesApi

#: What the API can change.
_CHANGEABLE = ("label", "category", "metadata")


def settle(api: SamplesApi, stored: Sequence[Sample], wanted: Annotation, if_exists: str) -> str:
    """Bring the samples that have the content of a file to what is wanted.

    :param stored: at least one sample.
    :param if_exists: ``update``, ``skip`` or ``fail``.
    :return: ``unchanged``, ``updated`` or ``skipped``.
    :raises EdgeImpulseConflictError: when it is different and must or can not be changed.
    :raises EdgeImpulseServiceError: when the service refuses or fails.
    """
    found = [differences(sample, wanted) for sample in stored]
    if not all(found):
        return "unchanged"
    if if_exists == "skip":
        return "skipped"
    if if_exists == "fail":
        raise EdgeImpulseConflictError(
            f"Set if_exists to 'update' or 'skip', or change {_which(stored)} in Studio: a sample with this content "
            f"exists and has {_list(found[0])}."
        )
    if len(stored) > 1:
        raise EdgeImpulseConflictError(
            f"Delete all but one of {_which(stored)} in Studio: they have the same content, and none of them is as "
            f"wanted. The first one has {_list(found[0])}."
        )
    return _update(api, stored[0].id, wanted)


def _update(api: SamplesApi, sample_id: int, wanted: Annotation) -> str:
    sample = api.get_sample(sample_id)  # a listing may be old, and others' metadata must be kept
    found = differences(sample, wanted)
    if fixed := [one for one in found if not _is_changeable(one, wanted)]:
        raise EdgeImpulseConflictError(
            f"Change sample {sample_id} in Studio, or delete it there so that it is uploaded again: it has "
            f"{_list(fixed)}, which the API cannot change."
        )
    if not found:
        return "unchanged"
    changed = {one.what for one in found}
    if "label" in changed:
        api.edit_label(sample_id, wanted.label or "")
    if "metadata" in changed:
        # Whether the service merges or replaces is not documented, so the whole map is sent.
        api.set_metadata(sample_id, strings(sample.metadata) | dict(wanted.metadata))
    if "category" in changed:
        api.move_sample(sample_id, "training" if wanted.category == "split" else wanted.category)
    if left := differences(api.get_sample(sample_id), wanted):
        raise EdgeImpulseResponseError(
            f"Run the task again: sample {sample_id} was changed, and has {_list(left)} all the same.",
            operation="getSample",
            status=200,
        )
    return "updated"


def _is_changeable(difference: Difference, wanted: Annotation) -> bool:
    return difference.what in _CHANGEABLE and not (difference.what == "category" and wanted.category == "anomaly")


def _which(samples: Sequence[Sample]) -> str:
    ids = ", ".join(str(sample.id) for sample in samples)
    return f"sample {ids}" if len(samples) == 1 else f"the samples {ids}"


def _list(found: Sequence[Difference]) -> str:
    return " and ".join(map(str, found))
