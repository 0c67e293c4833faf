"""A sample as it should be in the project, and what a label or metadata may depend on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_ei.sources.named_file import NamedFile
from airflow_provider_ei.sources.source_file import SourceFile

#: Categories that a sample can be uploaded to; ``split`` lets the service choose between training and testing.
CATEGORIES = ("training", "testing", "split", "anomaly")


@dataclass(frozen=True)
class FileContext:
    """The properties of a file that its label and metadata may depend on.

    :ivar name: file name, such as ``walking.01.csv``.
    :ivar stem: file name without its last extension: ``walking.01``.
    :ivar folder: name of the folder that the file is in.
    :ivar path: path relative to the directory or pattern that was given, such as ``day1/walking/walking.01.csv``; the
        file name if the file itself was given.
    """

    name: str
    stem: str
    folder: str
    path: str

    @classmethod
    def of(cls, file: SourceFile) -> FileContext:
        """Return the properties of a file."""
        above, _, name = file.name.rpartition("/")
        if not above:
            above = file.source.rpartition("/")[0]
            if "://" not in file.source:
                above = os.path.dirname(os.path.abspath(file.source))
        return cls(name, os.path.splitext(name)[0], above.rstrip("/").rpartition("/")[2], file.name)


#: A label, or a function that returns a file's label; None: the service derives it from the file's name.
GivenLabel = str | Callable[[FileContext], Any] | None

#: Metadata, or a function that returns a file's metadata.
GivenMetadata = Mapping[str, Any] | Callable[[FileContext], Any] | None


@dataclass(frozen=True)
class Box:
    """A bounding box, in pixels from the image's top left corner."""

    label: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Span:
    """The label of a part of a recording; both indexes are part of it."""

    start_index: int
    end_index: int
    label: str


@dataclass(frozen=True)
class Annotation:
    """What the project should know about a file.

    :ivar label: None: the service derives it from the file's name, or the file has labels for its parts.
    :ivar unlabeled: whether the sample should have no label.
    :ivar metadata: pairs, sorted.
    :ivar boxes: bounding boxes; None if none were given.
    :ivar spans: labels of the recording's parts; None if none were given.
    """

    category: str
    label: str | None = None
    unlabeled: bool = False
    metadata: tuple[tuple[str, str], ...] = ()
    boxes: tuple[Box, ...] | None = None
    spans: tuple[Span, ...] | None = None


@dataclass(frozen=True)
class SampleFile(NamedFile):
    """A file to upload as a sample.

    :ivar wanted: what the project should know about it.
    """

    wanted: Annotation = field(repr=False)

    def __post_init__(self) -> None:
        # Only a file that can be read in the background has this method.
        if (start_reading := getattr(self.file, "start_reading", None)) is not None:
            object.__setattr__(self, "start_reading", start_reading)
