"""Finds the samples that a project already has of some files."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from airflow_provider_ei.exceptions import EdgeImpulseAuthError
from airflow_provider_ei.samples.sample_file import SampleFile
from airflow_provider_ei.studio.api.samples import PAGE_SAMPLES, Sample, SamplesApi

log = logging.getLogger(__name__)

#: A project of at most so many samples is always listed, which takes one request for each category.
SMALL_PROJECT = PAGE_SAMPLES

#: Approximate size of a sample in a listing, in bytes. A long listing is read only if it is smaller than the files.
LISTED_BYTES = 2000

#: Categories that are listed. The content of a file may be in any of them.
_CATEGORIES = ("training", "testing", "anomaly")


def find_stored(
    api: SamplesApi,
    samples: Sequence[SampleFile],
    hash_files: Callable[[Sequence[SampleFile]], Mapping[str, str]],
) -> dict[str, list[Sample]]:
    """Find samples that certainly have the content of a file: the same SHA-256, and a name that fits.

    A file that is not found may be in the project all the same: the service need not report the hash of the file, and
    a key may not be allowed to list samples. The service itself compares contents when the file is sent.

    :param hash_files: reads files, and returns their SHA-256 in hex by source. It is called only for files of which the
        project has a sample with a fitting name.
    :return: samples with the content of a file, by the file's source.
    """
    try:
        counts = _counts(api)
    except EdgeImpulseAuthError as error:
        log.info("All files are sent, since the key may not list the project's samples: %s", error)
        return {}
    total = sum(counts.values())
    if not total:
        return {}
    if total > max(SMALL_PROJECT, sum(sample.size for sample in samples) // LISTED_BYTES):
        log.info("All files are sent, since a listing of the project's %d samples would be larger.", total)
        return {}
    by_name: dict[str, list[SampleFile]] = {}
    for sample in samples:
        for name in _listed_names(sample.name):
            by_name.setdefault(name, []).append(sample)
    listed = [one for one in _list(api, counts) if one.filename in by_name and one.sha256_hash]
    by_hash: dict[str, list[Sample]] = {}
    for one in listed:
        by_hash.setdefault((one.sha256_hash or "").lower(), []).append(one)
    fitting = {sample.source: sample for name in {one.filename for one in listed} for sample in by_name[name]}
    hashes = hash_files(list(fitting.values())) if fitting else {}
    return {source: by_hash[sha256] for source, sha256 in hashes.items() if sha256 in by_hash}


def list_range(api: SamplesApi, ids: Collection[int]) -> dict[int, Sample]:
    """Return samples by id from a listing, if that takes fewer requests than to get each of them; else nothing.

    A sample that is not listed may exist all the same.
    """
    counts = _counts(api)
    if sum(math.ceil(count / PAGE_SAMPLES) for count in counts.values()) >= len(ids):
        return {}
    wanted = set(ids)
    # One more on either side: whether the limits are included is not documented.
    listed = _list(api, counts, min_id=min(wanted) - 1, max_id=max(wanted) + 1)
    return {sample.id: sample for sample in listed if sample.id in wanted}


def _counts(api: SamplesApi) -> dict[str, int]:
    return {category: api.count_samples(category) for category in _CATEGORIES}


def _list(
    api: SamplesApi, counts: Mapping[str, int], min_id: int | None = None, max_id: int | None = None
) -> Iterator[Sample]:
    """Yield the samples of all categories; one may occur twice if a listing has moved meanwhile."""
    for category, count in counts.items():
        if count:
            for page in api.list_pages(category, min_id=min_id, max_id=max_id):
                yield from page.items


def _listed_names(name: str) -> set[str]:
    """Return the names under which a service may list a file: with its extension, or without it."""
    return {name, os.path.splitext(name)[0], name.partition(".")[0]}
