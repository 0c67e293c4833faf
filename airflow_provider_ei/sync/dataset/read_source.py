"""Reads the items of a folder, a bucket or a list, before any request."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError
from airflow_provider_ei.sources.discover import discover_files
from airflow_provider_ei.sources.file_specs import parse_file_specs
from airflow_provider_ei.sources.ignore import Filter
from airflow_provider_ei.sources.literals import parse_literal
from airflow_provider_ei.sources.names import check_text
from airflow_provider_ei.sources.object_store import OpenStore
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.dataset.source_index import SourceIndex
from airflow_provider_ei.sync.dataset.tree import Tree, read_tree
from airflow_provider_ei.sync.metadata import metadata_strings

log = logging.getLogger(__name__)

_ITEM_KEYS = {"name", "files", "metadata"}


def read_source(options: SyncOptions, open_store: OpenStore) -> SourceIndex:
    """List the items of the source, without reading files.

    :raises EdgeImpulseInputError: when an argument or the source is invalid.
    """
    if (options.source is None) == (options.items is None):
        lost = " If it comes from an upstream task, that task returned nothing or was skipped."
        hint = lost if options.items is None else ""
        raise EdgeImpulseInputError(f"Give source (a folder or a URI) or items (a list), and not both.{hint}")
    index = _index_items(options, open_store) if options.source is None else _index_folders(options, open_store)
    index.refuse_names_of_one_form()
    if options.sizes_only:
        log.warning("comparison='size': a file of the same name and size counts as the same, whatever is in it.")
    if options.source is not None:
        _log_left_out(index, options.source, options.depth)
    return index


def _index_items(options: SyncOptions, open_store: OpenStore) -> SourceIndex:
    if options.include or options.exclude:
        raise EdgeImpulseInputError(
            "Leave include and exclude out: they go with source. Leave the files out of items instead."
        )
    index = SourceIndex(lambda item: _finish(item, options))
    index.set_tree(_upstream_tree(options.items, open_store))
    return index


def _index_folders(options: SyncOptions, open_store: OpenStore) -> SourceIndex:
    source, takes = options.source or "", Filter(options.include, options.exclude)
    index = SourceIndex(lambda item: _finish(item, options))
    index.set_tree(read_tree(source, depth=options.depth, takes=takes, open_store=open_store, add=index.add))
    return index


def _log_left_out(index: SourceIndex, source: str, depth: int) -> None:
    """Log which files and folders are not sent.

    :raises EdgeImpulseInputError: when the source has files, but none of them is in an item.
    """
    tree = index.tree
    if tree.strays and not (index or tree.empty or tree.excluded):
        raise EdgeImpulseInputError(
            f"source: {source!r} has no data items. They are the folders {depth} deep in it, with files in them; found "
            f"were only {_some(tree.strays)}. Give the folder above, or another depth."
        )
    if tree.strays:
        strays = _some(tree.strays)
        log.warning("%s is not sent: it lies above the data items, which are folders %d deep.", strays, depth)
    if tree.empty:
        log.warning("%s has no files. Nothing is sent or deleted for it.", _some(tree.empty))
    if tree.excluded:
        log.info("%s is not sent: include and exclude leave nothing of it.", _some(tree.excluded))
    if not index:
        log.warning("%r has no data items: no folder %d deep with files in it.", source, depth)


def _upstream_tree(items: object, open_store: OpenStore) -> Tree:
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
    uris: list[str] = []
    for number, item in enumerate(items):
        where = f"items[{number}]"
        if not isinstance(item, Mapping) or set(item) - _ITEM_KEYS or not {"name", "files"} <= set(item):
            raise EdgeImpulseInputError(
                f"{where} must be a dict with 'name' and 'files', and 'metadata' if wanted, not {str(item)[:80]}."
            )
        name = check_text("name", item["name"], where=f"{where}.")
        if name in made:
            raise EdgeImpulseInputError(f"{where}: give each data item a name of its own: {name!r} is there twice.")
        made[name] = _upstream_item(name, item, open_store, uris)
    return Tree(sorted(made.values(), key=lambda item: item.name), uris=uris)


def _upstream_item(name: str, item: Mapping[str, object], open_store: OpenStore, uris: list[str]) -> SourceItem:
    try:
        own = item.get("metadata")
        metadata = metadata_strings(parse_literal(own, "metadata") if isinstance(own, str) else own)
        specs = parse_file_specs(item["files"])
        uris.extend(spec.path for spec in specs)
        return SourceItem(name, discover_files(specs, open_store), metadata)
    except EdgeImpulseError as error:
        return SourceItem(name, (), problem=error)


def _finish(item: SourceItem, options: SyncOptions) -> SourceItem:
    """Merge the item's metadata over the sync's, and replace the slashes in the names of its files."""
    given = options.metadata
    try:
        shared = metadata_strings(given(item.context)) if callable(given) else cast("Mapping[str, str]", given)
        item.metadata = {**shared, **item.metadata} if item.metadata else shared
    except EdgeImpulseInputError as error:
        item.problem = item.problem or error
    if (separator := options.folder_separator) is not None:
        item.files = [replace(cast(Any, file), name=file.name.replace("/", separator)) for file in item.files]
    return item


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return shown + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
