"""Reports inputs and outputs to Airflow's hook lineage, so that a ``@task`` that calls the hook has lineage."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlsplit

from airflow_provider_ei.assets import category_uri, dataset_uri, stored_categories
from airflow_provider_ei.hooks.best_effort import best_effort

#: Maximum number of reported inputs. If there are more, their folders are reported.
MAX_INPUTS = 20


def report_lineage(hook: Any, sources: Iterable[str], organization_id: int, dataset: str) -> None:
    """Report to Airflow's collector that files from these sources were uploaded to a dataset.

    :param hook: the hook that uploaded them.
    :param sources: paths and URIs.
    """
    _report(hook, sources, [dataset_uri(organization_id, dataset)])


def report_project_lineage(hook: Any, sources: Iterable[str], project_id: int, categories: Iterable[str]) -> None:
    """Report to Airflow's collector that files from these sources were uploaded to a project.

    :param hook: the hook that uploaded them.
    :param sources: paths and URIs.
    :param categories: where the files were to go.
    """
    _report(hook, sources, [category_uri(project_id, category) for category in stored_categories(categories)])


def _report(hook: Any, sources: Iterable[str], outputs: Iterable[str]) -> None:
    with best_effort("Lineage"):
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        collector = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        for namespace, name in collapse_to_folders(sources):
            where = "file://" + name if namespace == "file" else f"{namespace}/{name}"
            collector.add_input_asset(context=hook, uri=quote(where, safe=":/@%+"))
        for uri in outputs:
            collector.add_output_asset(context=hook, uri=uri)


def collapse_to_folders(sources: Iterable[str]) -> list[tuple[str, str]]:
    """Return the sources' OpenLineage names (namespace and name), without duplicates.

    More than :data:`MAX_INPUTS` names are replaced by their folders, then by the parent folders, until few are left.
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
