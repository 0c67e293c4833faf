"""Refuses to change items that an upload must not touch, and says how to resolve the conflict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, get_args

from airflow_provider_ei.exceptions import EdgeImpulseConflictError, EdgeImpulseInputError
from airflow_provider_ei.studio.known_service import KnownService
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.studio.spelling import canonical_name
from airflow_provider_ei.sync.item.wanted import WantedItem
from airflow_provider_ei.sync.item_state import ItemState
from airflow_provider_ei.sync.stored_names import Correspondence, lost_in

IfExists = Literal["update", "skip", "fail", "overwrite"]


def check_if_exists(value: Any) -> IfExists:
    """Return a valid ``if_exists``.

    :raises EdgeImpulseInputError: for any other value.
    """
    known = get_args(IfExists)
    if value not in known:
        raise EdgeImpulseInputError(f"if_exists must be one of {', '.join(known)}, not {value!r}.")
    return value  # type: ignore[no-any-return]


def ambiguous_items(wanted: WantedItem, items: Sequence[DataItem]) -> str:
    """Describe that several items have the same name, and that the user must choose one."""
    ids = ", ".join(str(item.id) for item in items)
    return (
        f"Delete or rename all but one of the data items {ids} in Studio: they are all named {wanted.name!r} in "
        f"dataset {wanted.dataset!r}, and which of them may go is not certain. Nothing was changed."
    )


def lost_names(found: Correspondence) -> str | None:
    """Describe which names the service does not distinguish, and what to do about it."""
    way_out = (
        'Give them names that differ, with {"path": …, "name": …}; for a folder of data items, set folder_separator, '
        "for instance to '__'."
    )
    for form, group in found.merged.items():
        return f"{way_out} Edge Impulse stores {' and '.join(map(repr, group))} as one file, {form!r}."
    for name in found.missing:
        if re.split(r"[/\\]", name)[-1].strip() in ("", ".", ".."):
            return f"Rename {name!r}: Edge Impulse drops a file if nothing, or only dots, follow its name's last slash."
    return None


def check_known_service(service: KnownService, wanted: WantedItem) -> None:
    """Refuse files that the service would store as one, or drop, if a check has found that out.

    :raises EdgeImpulseConflictError: naming the files and the way out. Nothing was sent.
    """
    lost = lost_names(lost_in(service, [file.name for file in wanted.files]))
    if lost is not None:
        raise EdgeImpulseConflictError(
            f"{lost} That is known from the check of {service.checked or 'an unknown day'}, saved in the connection as "
            "'service'; run it again if the service has changed. Nothing was sent."
        )


def check_spelling(wanted: WantedItem, item: DataItem) -> None:
    """Refuse a name that the service has changed so much that the next run could not find the item.

    :raises EdgeImpulseConflictError: naming the item and the way out.
    """
    for what, asked, stored in (("data item", wanted.name, item.name), ("dataset", wanted.dataset, item.dataset)):
        if canonical_name(asked) != canonical_name(stored):
            raise EdgeImpulseConflictError(
                f"Name the {what} {stored!r}: that is what Edge Impulse has made of {asked!r} (data item {item.id})."
            )


def check_sync(wanted: WantedItem, item: DataItem, state: ItemState) -> None:
    """Refuse an item that belongs to another sync.

    :raises EdgeImpulseConflictError: naming the item and the way out.
    """
    if wanted.sync_id is not None and state.sync not in (None, wanted.sync_id):
        raise EdgeImpulseConflictError(
            f"Data item {wanted.name!r} in dataset {wanted.dataset!r} (id {item.id}) belongs to the sync "
            f"{state.sync!r}, and this is {wanted.sync_id!r}. If it is the same sync under a new name, set "
            f"sync_id={state.sync!r}."
        )


def check_taken_over(wanted: WantedItem, item: DataItem, state: ItemState) -> None:
    """Refuse to let a sync replace an item that a single upload has created.

    :raises EdgeImpulseConflictError: naming the item and the way out.
    """
    if wanted.sync_id is not None and state.sync is None:
        raise EdgeImpulseConflictError(
            f"Delete or rename data item {wanted.name!r} (id {item.id}) in Studio if this sync is to have it: a "
            f"single upload has put other content under that name into dataset {wanted.dataset!r}. A sync "
            "leaves it alone."
        )


def check_origin(wanted: WantedItem, item: DataItem, state: ItemState) -> None:
    """Refuse to replace an item that another map index of the same task has written in the same DAG run.

    :raises EdgeImpulseConflictError: naming the item and the way out.
    """
    if wanted.origin is None or state.origin is None or wanted.origin == state.origin:
        return
    if wanted.origin.rpartition("#")[0] == state.origin.rpartition("#")[0]:
        raise EdgeImpulseConflictError(
            f"Give each mapped upload its own name: data item {wanted.name!r} (id {item.id}) was written by map index "
            f"{state.origin.rpartition('#')[2]} of this task in this DAG run, with other content. Nothing was changed."
        )


def others_item(wanted: WantedItem, item: DataItem, difference: str) -> str:
    """Describe that an item of someone else is left alone, because its content differs."""
    return (
        f"{_others(wanted)} (id {item.id}); its files differ: {difference}. Nothing was changed. To replace its files, "
        "set if_exists='overwrite'."
    )


def check_adoption(wanted: WantedItem, listed: Sequence[DataItem], if_exists: IfExists) -> None:
    """Refuse somebody else's item, unless a single upload may take it over.

    :param listed: all items of that name; none of them is ours.
    :raises EdgeImpulseConflictError: naming the item and the way out.
    """
    what = _others(wanted)
    if len(listed) > 1:
        ids = ", ".join(str(item.id) for item in listed)
        raise EdgeImpulseConflictError(f"{what}, several times (ids {ids}). Delete or rename all but one in Studio.")
    if wanted.sync_id is not None:
        raise EdgeImpulseConflictError(
            f"{what} (id {listed[0].id}). A sync does not touch it. Delete or rename it in Studio, or take it "
            "over once with EdgeImpulseAddDataOperator, with the same files and metadata."
        )
    found = wanted.correspondence(listed[0])
    difference = wanted.difference(listed[0], found)
    if difference is None and not found.exact:
        difference = f"it has {sorted(set(found.names) - set(found.names.values()))[0]!r}"
    if difference is not None and if_exists != "overwrite":
        raise EdgeImpulseConflictError(others_item(wanted, listed[0], difference))


def _others(wanted: WantedItem) -> str:
    return f"Data item {wanted.name!r} is in dataset {wanted.dataset!r} already and was not uploaded by this package"
