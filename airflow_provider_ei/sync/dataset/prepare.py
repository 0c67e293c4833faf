"""Checks what a user gives for a dataset sync, and makes a source and rules of it, before any request."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError
from airflow_provider_ei.numeric import whole_number
from airflow_provider_ei.sources.discover import OpenStore
from airflow_provider_ei.sources.file_specs import parse_literal, resolve_files
from airflow_provider_ei.sources.ignore import Filter
from airflow_provider_ei.sources.names import check_text
from airflow_provider_ei.studio.spelling import canonical_name
from airflow_provider_ei.sync.dataset.options import Shard, SyncOptions
from airflow_provider_ei.sync.dataset.source import GivenMetadata, SourceItem
from airflow_provider_ei.sync.dataset.tree import Tree, read_tree
from airflow_provider_ei.sync.metadata import metadata_texts
from airflow_provider_ei.sync.prepare import check_bucket

log = logging.getLogger(__name__)

#: Threads of one sync, and so connections to the service.
MAX_WORKERS = 64

#: What may be deleted: nothing; items that the source no longer has; or also those that the patterns leave out.
DELETE_MODES = ("never", "extra", "extra-and-excluded")

_ITEM_KEYS = {"name", "files", "metadata"}


def check_rules(
    *,
    sync_id: object,
    delete: object,
    max_delete: object,
    comparison: object,
    bucket_name: object = None,
    bucket_id: object = None,
    shard: Shard | None = None,
) -> SyncOptions:
    """Make the rules of the arguments of ``sync_dataset``.

    :raises EdgeImpulseInputError: naming the argument and its value.
    """
    for field, value, known in (("delete", delete, DELETE_MODES), ("comparison", comparison, ("digest", "size"))):
        if value not in known:
            raise EdgeImpulseInputError(f"{field} must be {' or '.join(map(repr, known))}, not {value!r}.")
    name_of_bucket, id_of_bucket = check_bucket(bucket_name, bucket_id)
    most, part = _max_delete(max_delete)
    if comparison == "size":
        log.warning("comparison='size': a file of the same name and size is taken for the same, whatever is in it.")
    return SyncOptions(
        sync_id=check_text("sync_id", sync_id),
        sizes_only=comparison == "size",
        delete=delete != "never",
        delete_excluded=delete == "extra-and-excluded",
        most_deletes=most,
        largest_part=part,
        bucket_name=name_of_bucket,
        bucket_id=id_of_bucket,
        shard=shard,
    )


def check_workers(value: object) -> int:
    """Return how many data items are sent at once.

    :raises EdgeImpulseInputError: when it is not a number from 1 to :data:`MAX_WORKERS`.
    """
    workers = whole_number("workers", value)
    if workers is None or workers > MAX_WORKERS:
        raise EdgeImpulseInputError(f"workers must be a number from 1 to {MAX_WORKERS}, not {value!r}.")
    return workers


def read_source(
    *,
    source: object,
    items: object,
    include: object,
    exclude: object,
    depth: object,
    metadata: GivenMetadata,
    folder_separator: object = None,
    open_store: OpenStore,
) -> Tree:
    """Look at everything that the dataset is to hold.

    :param source: a path or URI; or
    :param items: a list of ``{"name", "files", "metadata"?}``.
    :param folder_separator: stands for ``/`` in the names of the files, for a service that drops folders.
    :raises EdgeImpulseInputError: naming what is wrong with which of them.
    """
    if (source in (None, "")) == (items is None):
        hint = " If it comes from an upstream task, that task returned nothing or was skipped." if items is None else ""
        raise EdgeImpulseInputError(f"Give source (a folder or a URI) or items (a list), and not both.{hint}")
    if items is not None:
        if include or exclude:
            raise EdgeImpulseInputError(
                "Leave include and exclude out: they go with source. Leave the files out of items instead."
            )
        tree = Tree(_upstream_items(items, open_store))
        _refuse_names_of_one_form(tree.items)
        _add_metadata(tree.items, metadata)
        _join_folders(tree.items, folder_separator)
        return tree
    levels = whole_number("depth", depth)
    if levels is None:
        raise EdgeImpulseInputError(f"depth must be a number from 1 on, not {depth!r}.")
    place = check_text("source", source if isinstance(source, str) else str(source))
    tree = read_tree(place, depth=levels, takes=Filter(include, exclude), open_store=open_store)
    _refuse_names_of_one_form(tree.items)
    _add_metadata(tree.items, metadata)
    _join_folders(tree.items, folder_separator)
    if tree.strays and not (tree.items or tree.empty or tree.excluded):
        raise EdgeImpulseInputError(
            f"source: {place!r} has no data items. They are the folders {levels} deep in it, with files in them; found "
            f"were only {_some(tree.strays)}. Give the folder above, or another depth."
        )
    if tree.strays:
        log.warning(
            "%s is not sent: it lies above the data items, which are folders %d deep.", _some(tree.strays), levels
        )
    if tree.empty:
        log.warning("%s has no files. Nothing is sent or deleted for it.", _some(tree.empty))
    if tree.excluded:
        log.info("%s is not sent: include and exclude leave nothing of it.", _some(tree.excluded))
    if not tree.items:
        log.warning("%r has no data items: no folder %d deep with files in it.", place, levels)
    return tree


def _upstream_items(items: object, open_store: OpenStore) -> list[SourceItem]:
    if isinstance(items, str):
        items = parse_literal(items, "items")
    if not isinstance(items, Sequence) or isinstance(items, str | bytes):
        hint = (
            " If it comes from an upstream task, that task returned nothing or was skipped." if items == "None" else ""
        )
        raise EdgeImpulseInputError(
            f"items must be a list of {{'name', 'files', 'metadata'}}, not {type(items).__name__}: {str(items)[:80]!r}."
            + hint
        )
    made: dict[str, SourceItem] = {}
    for number, item in enumerate(items):
        where = f"items[{number}]"
        if not isinstance(item, Mapping) or set(item) - _ITEM_KEYS or not {"name", "files"} <= set(item):
            raise EdgeImpulseInputError(
                f"{where} must be a dict with 'name' and 'files', and 'metadata' if wanted, not {str(item)[:80]}."
            )
        name = check_text("name", item["name"], where=f"{where}.")
        if name in made:
            raise EdgeImpulseInputError(f"{where}: give each data item a name of its own: {name!r} is there twice.")
        made[name] = _upstream_item(name, item, open_store)
    return sorted(made.values(), key=lambda item: item.name)


def _upstream_item(name: str, item: Mapping[str, object], open_store: OpenStore) -> SourceItem:
    try:
        own = item.get("metadata")
        texts = metadata_texts(parse_literal(own, "metadata") if isinstance(own, str) else own)
        return SourceItem(name, resolve_files(item["files"], open_store), texts)
    except EdgeImpulseError as error:
        return SourceItem(name, (), problem=error)


def _refuse_names_of_one_form(items: Sequence[SourceItem]) -> None:
    """Make it a problem of two items when a service may take their names for one."""
    by_form: dict[str, list[SourceItem]] = {}
    for item in items:
        by_form.setdefault(canonical_name(item.name), []).append(item)
    for same in by_form.values():
        if len(same) > 1:
            names = ", ".join(ascii(item.name) for item in same)
            for item in same:
                item.problem = EdgeImpulseInputError(
                    f"Rename one of {names}: they differ in white space or in the form of their Unicode characters "
                    "alone, and the service may take them for one data item."
                )


def _add_metadata(items: Sequence[SourceItem], given: GivenMetadata) -> None:
    """Put the sync's metadata below those that the items have."""
    if not callable(given):
        shared = metadata_texts(given)
        for item in items:
            item.texts = {**shared, **item.texts} if item.texts else shared
        return
    for item in items:
        try:
            item.texts = {**metadata_texts(given(item.facts)), **item.texts}
        except EdgeImpulseInputError as error:
            item.problem = item.problem or error


def _join_folders(items: Sequence[SourceItem], separator: object) -> None:
    """Put something else in the place of the slashes in the files' names."""
    if separator in (None, ""):
        return
    text = check_text("folder_separator", separator)
    if set(text) & set("/\\"):
        raise EdgeImpulseInputError(f"folder_separator must not have slashes, such as '__', and is {text!r}.")
    for item in items:
        item.files = [replace(cast(Any, file), name=file.name.replace("/", text)) for file in item.files]


def _max_delete(value: object) -> tuple[int | None, float]:
    """Read ``max_delete``: a number, to which half of the items is added as a limit, or a percentage."""
    text = str(value).strip() if value is not None else ""
    if not text:
        return None, 0.5
    number = text.removesuffix("%").strip()
    if not number.isdecimal() or isinstance(value, bool | float) or (text.endswith("%") and int(number) > 100):
        raise EdgeImpulseInputError(
            f"max_delete must be a number of data items, such as 20, or a percentage such as '80%', not {value!r}."
        )
    return (None, int(number) / 100) if text.endswith("%") else (int(number), 0.5)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return shown + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
