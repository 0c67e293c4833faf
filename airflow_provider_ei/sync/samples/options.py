"""The checked arguments of a sync of samples."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.sources.names import check_text
from airflow_provider_ei.sync.checks import check_choice, is_missing
from airflow_provider_ei.sync.dataset.delete_limit import DeleteLimit, check_max_delete
from airflow_provider_ei.sync.dataset.options import check_sync_id, check_workers
from airflow_provider_ei.sync.metadata import metadata_strings

#: Categories that a sync keeps samples in, and that a project can list.
CATEGORIES = ("training", "testing", "anomaly")

#: What may be deleted: nothing, or samples whose file the source no longer has.
DELETE_MODES = ("never", "extra")


@dataclass(frozen=True)
class PathContext:
    """What metadata templates can use of their file, as in ``{{ file.name }}``.

    :ivar name: file name, such as ``walking.01.csv``.
    :ivar stem: file name without its last extension: ``walking.01``.
    :ivar folder: name of the folder that the file is in.
    :ivar path: path relative to the source, such as ``training/walking/walking.01.csv``.
    """

    name: str
    stem: str
    folder: str
    path: str

    @classmethod
    def of(cls, path: str) -> PathContext:
        """Return the properties of a file."""
        above, _, name = path.rpartition("/")
        return cls(name, posixpath.splitext(name)[0], above.rpartition("/")[2], path)


#: Returns the category and the label of a file by its path relative to the source.
Layout = Callable[[str], tuple[str, str]]

#: Metadata for all samples, or a function that returns those of one.
GivenMetadata = Mapping[str, Any] | Callable[[PathContext], Mapping[str, Any] | None] | None


@dataclass(frozen=True, kw_only=True)
class SampleSyncOptions:
    """The arguments of ``EdgeImpulseProjectHook.sync_samples``, which documents them.

    :ivar layout: None: a path begins with the category and the label.
    """

    source: str
    include: Any
    exclude: Any
    layout: Layout | None
    metadata: GivenMetadata
    delete: str
    max_delete: DeleteLimit
    workers: int
    sync_id: str

    @classmethod
    def check(
        cls,
        *,
        source: Any,
        include: Any = None,
        exclude: Any = None,
        layout: Any = None,
        metadata: Any = None,
        delete: Any = "never",
        max_delete: Any = None,
        workers: Any = 8,
        sync_id: Any = None,
    ) -> SampleSyncOptions:
        """Check the arguments.

        :raises EdgeImpulseInputError: with the name of the argument and its value.
        """
        if is_missing(source):
            raise EdgeImpulseInputError(
                "Give source, a directory or a URI. If it comes from an upstream task, that task returned nothing or "
                "was skipped."
            )
        if layout is not None and not callable(layout):
            raise EdgeImpulseInputError(
                f"layout must be a function that returns a category and a label for a path, not {layout!r:.80}."
            )
        if check_choice("delete", delete, DELETE_MODES) != "never" and is_missing(sync_id):
            raise EdgeImpulseInputError(
                f"delete={delete!r} needs a sync_id, which tells this sync's samples from others."
            )
        return cls(
            source=check_text("source", source if isinstance(source, str) else str(source)),
            include=include,
            exclude=exclude,
            layout=layout,
            metadata=metadata if callable(metadata) else metadata_strings(None if is_missing(metadata) else metadata),
            delete=delete,
            max_delete=check_max_delete("max_delete", max_delete),
            workers=check_workers("workers", workers),
            sync_id=check_sync_id("sync_id", sync_id),
        )

    @property
    def deletes(self) -> bool:
        """Whether samples of this sync whose file the source no longer has are deleted."""
        return self.delete != "never"

    def place_of(self, path: str) -> tuple[str, str]:
        """Return the category and the label of a file.

        :raises EdgeImpulseInputError: when the path does not say them, or they cannot be used.
        """
        category, label = _by_folders(path) if self.layout is None else _by_function(self.layout, path)
        if category not in CATEGORIES:
            raise EdgeImpulseInputError(
                f"{path!r}: the category must be one of {', '.join(CATEGORIES)}, not {str(category)[:80]!r}."
            )
        return category, check_text(f"the label of {path!r}", label)

    def metadata_of(self, path: str) -> Mapping[str, str]:
        """Return the metadata of a file.

        :raises EdgeImpulseInputError: when they cannot be stored.
        """
        return metadata_strings(self.metadata(PathContext.of(path))) if callable(self.metadata) else self.metadata or {}


def _by_folders(path: str) -> tuple[str, str]:
    steps = path.split("/")
    if len(steps) < 3:
        raise EdgeImpulseInputError(
            f"Move {path!r} into a folder <category>/<label>/, such as training/idle/, or exclude it, or give a layout."
        )
    return steps[0], steps[1]


def _by_function(layout: Layout, path: str) -> tuple[str, str]:
    place = layout(path)
    if not isinstance(place, tuple | list) or len(place) != 2:
        raise EdgeImpulseInputError(
            f"layout must return a category and a label, such as ('training', 'idle'): for {path!r}, it returned "
            f"{place!r:.80}."
        )
    return place[0], place[1]
