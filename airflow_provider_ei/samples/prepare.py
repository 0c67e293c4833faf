"""Finds the files of an upload, and determines what the project should know about each. Nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.samples.image_size import image_size
from airflow_provider_ei.samples.options import UploadOptions, check_label, check_metadata
from airflow_provider_ei.samples.sample_file import CATEGORIES, Annotation, FileContext, SampleFile
from airflow_provider_ei.samples.sidecars import Note, check_boxes_inside, is_sidecar, read_sidecars
from airflow_provider_ei.sources.discover import discover_files
from airflow_provider_ei.sources.file_specs import FileSpec, parse_file_specs
from airflow_provider_ei.sources.object_store import OpenStore
from airflow_provider_ei.sources.source_file import SourceFile
from airflow_provider_ei.sync.checks import check_choice

#: What a dict in ``files`` may say about its files.
_OWN_KEYS = ("label", "metadata", "category")


def prepare_samples(
    files: object, options: UploadOptions, open_store: OpenStore, check: Callable[[], None] = lambda: None
) -> tuple[list[SampleFile], list[str]]:
    """Find and pin all files, and read what lies next to them.

    What a dict in ``files`` says about a file takes precedence over ``info.labels``, and that over the options.

    :param check: called between files; raises to stop.
    :return: the files, sorted by source, and the paths and URIs that were given.
    :raises EdgeImpulseInputError: when a file, a sidecar, a label or metadata cannot be used.
    :raises EdgeImpulseFileError: when a store or a disk fails.
    """
    specs = parse_file_specs(files, _OWN_KEYS)
    found: dict[str, tuple[SourceFile, FileSpec]] = {}
    sidecars: dict[str, SourceFile] = {}
    for spec in specs:
        check()
        for file in discover_files([spec], open_store):
            if is_sidecar(file):
                sidecars[file.source] = file
            elif file.source in found and found[file.source][1].more != spec.more:
                raise EdgeImpulseInputError(
                    f"files: give {file.source!r} only once: it is there twice, with different labels, metadata or "
                    "categories."
                )
            else:
                found[file.source] = file, spec
    if not found:
        raise EdgeImpulseInputError("files: give at least one file that is not a file with labels of others.")
    notes = read_sidecars(list(sidecars.values()), [file for file, _ in found.values()])
    samples = []
    for source in sorted(found):
        check()
        file, spec = found[source]
        samples.append(_sample(file, spec.more, notes.get(source, Note()), options))
    return samples, [spec.path for spec in specs]


def _sample(file: SourceFile, own: Mapping[str, Any], note: Note, options: UploadOptions) -> SampleFile:
    context = FileContext.of(file)
    where = f"files, {file.source!r}: "
    metadata = {
        **_for_file(options.metadata, context, where + "metadata", check_metadata),
        **note.metadata,
        **check_metadata(where + "metadata", own.get("metadata")),
    }
    label = check_label(where + "label", own.get("label")) or note.label
    if label is None and not note.unlabeled and note.spans is None:
        label = _for_file(options.sample_label, context, where + "sample_label", _must_be_label)
    if note.boxes is not None and (size := image_size(file)) is not None:
        check_boxes_inside(note.boxes, size, file.source)
    given = own.get("category")
    category = check_choice(where + "category", given, CATEGORIES) if given is not None else note.category
    return SampleFile(
        note.name or context.name,
        file,
        Annotation(
            category=category or options.category,
            label=label,
            unlabeled=label is None and note.unlabeled,
            metadata=tuple(sorted(check_metadata(where + "metadata", metadata).items())),
            boxes=note.boxes,
            spans=None if label is not None else note.spans,
        ),
    )


def _for_file(given: Any, context: FileContext, field: str, check: Callable[[str, Any], Any]) -> Any:
    """Return what applies to a file, which a function may determine."""
    return check(field, given(context)) if callable(given) else given


def _must_be_label(field: str, value: Any) -> str | None:
    """Check a label that was made for a file. An empty one would be a mistake in the template or function."""
    return check_label(field, "" if value is None else value)
