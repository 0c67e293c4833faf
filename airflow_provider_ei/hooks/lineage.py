"""Reports what was read and written to Airflow's hook lineage, so that a ``@task`` that calls the hook has lineage."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from airflow_provider_ei.assets import dataset_uri
from airflow_provider_ei.hooks.best_effort import best_effort

#: Inputs that are reported one by one; when there are more, their folders are.
MAX_INPUTS = 20


def report_lineage(hook: Any, sources: Iterable[str], organization_id: int, dataset: str) -> None:
    """Report to Airflow's collector that files from these sources went into a dataset.

    :param hook: the hook that did it.
    :param sources: paths and URIs. They are iterated here, so that no error of theirs reaches the caller.
    """
    with best_effort("Lineage"):
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        collector = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        for namespace, name in collapse_to_folders(sources):
            where = "file://" + name if namespace == "file" else f"{namespace}/{name}"
            collector.add_input_asset(context=hook, uri=quote(where, safe=":/@%+"))
        collector.add_output_asset(context=hook, uri=dataset_uri(organization_id, dataset))


def source_uris(files: Any) -> Iterator[str]:
    """Yield the paths and URIs in ``files``, in any form that users give them."""
    from airflow_provider_ei.sources.file_specs import parse_literal

    if isinstance(files, str):
        parsed = parse_literal(files)
        if parsed == files:
            yield files
        else:
            yield from source_uris(parsed)
    elif isinstance(files, Mapping):
        yield from source_uris(files.get("path"))
    elif isinstance(files, Sequence):  # also the lazy one of a mapped task's results
        for one in files:
            yield from source_uris(one)
    elif files is not None:
        yield str(files)


def sync_source_uris(source: Any, items: Any) -> Iterator[str]:
    """Yield the paths and URIs that a sync reads."""
    from airflow_provider_ei.sources.file_specs import parse_literal

    yield from source_uris(source)
    listed = parse_literal(items) if isinstance(items, str) else items
    if isinstance(listed, Sequence) and not isinstance(listed, str):
        for item in listed:
            if isinstance(item, Mapping):
                yield from source_uris(item.get("files"))


def collapse_to_folders(sources: Iterable[str]) -> list[tuple[str, str]]:
    """Return the sources as OpenLineage names them, namespace and name, without duplicates.

    More than :data:`MAX_INPUTS` are replaced by the folders that they are in, and so on upwards.
    """
    named = sorted({_named(source) for source in sources})
    while len(named) > MAX_INPUTS:
        above = sorted({(namespace, os.path.dirname(name) or "/") for namespace, name in named})
        if above == named:
            return named[:MAX_INPUTS]
        named = above
    return named


def _named(source: str) -> tuple[str, str]:
    uri = urlsplit(source.removeprefix("file://"))
    if uri.scheme and uri.netloc:
        host = uri.netloc.rpartition("@")[2]
        return f"{uri.scheme}://{host}", uri.path.strip("/") or "/"
    return "file", os.path.abspath(source.removeprefix("file://"))
