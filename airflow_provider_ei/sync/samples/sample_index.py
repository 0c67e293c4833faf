"""The files of a source, each of which becomes a sample. Nothing is opened.

The index keeps a few dozen bytes of each file, except for the files of an object store, whose listing is not repeated.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError
from airflow_provider_ei.sources import content_types
from airflow_provider_ei.sources.folders import DIRECTORY, FILE, Entry, Folder, Walk
from airflow_provider_ei.sources.ignore import Filter
from airflow_provider_ei.sources.local import Disk, LocalFile
from airflow_provider_ei.sources.locations import local_path
from airflow_provider_ei.sources.names import check_file_name
from airflow_provider_ei.sources.object_store import OpenStore, open_folder
from airflow_provider_ei.sources.source_file import SourceFile
from airflow_provider_ei.sync.dataset.presence import LocalPresence, Presence, StorePresence, check_file, identity_of
from airflow_provider_ei.sync.digest import canonical
from airflow_provider_ei.sync.samples.options import SampleSyncOptions

#: Part of every fingerprint, so that fingerprints computed in a different way in the future do not match.
LOOK_VERSION = 1

_LOOK_BYTES = 16
_NO_LOOK = bytes(_LOOK_BYTES)
_SIDECARS = ".labels"


@dataclass
class SourceSample:
    """A file of the source, and what its sample should be.

    :ivar path: relative to the source.
    :ivar problem: why it cannot be uploaded, as far as known without opening the file.
    """

    path: str
    file: SourceFile | None = None
    category: str = ""
    label: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    problem: EdgeImpulseError | None = None

    @property
    def name(self) -> str:
        """The name under which the file is sent."""
        return posixpath.basename(self.path)

    @property
    def look(self) -> str | None:
        """Digests of the file's size and version, and of category, label and metadata; None without a version."""
        if self.file is None or self.file.version is None:
            return None
        content = _short([LOOK_VERSION, self.file.size, self.file.version])
        return (content + _short([self.category, self.label, self.metadata])).hex()


def _short(value: object) -> bytes:
    return hashlib.blake2b(canonical(value), digest_size=_LOOK_BYTES // 2).digest()


def has_same_content(look: str, other: str | None) -> bool:
    """Return whether two fingerprints are of a file with the same size and version."""
    return other is not None and look[:_LOOK_BYTES] == other[:_LOOK_BYTES]


class SampleIndex:
    """The files of a source by their paths.

    :ivar uri: the source as given, for lineage.
    :ivar excluded: paths of files and folders that the patterns exclude.
    :ivar categories: the categories of the files.
    """

    def __init__(self, options: SampleSyncOptions) -> None:
        self.uri = options.source
        self.excluded: set[str] = set()
        self.categories: set[str] = set()
        self._options = options
        self._positions: dict[str, int] = {}
        self._looks = bytearray()
        self._problems: dict[str, EdgeImpulseError] = {}
        self._files: dict[str, SourceFile] = {}
        self._root: str | None = None
        self.presence: Callable[[str], Presence] = lambda path: Presence("unknown", "the source was not read")

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __contains__(self, path: str) -> bool:
        return path in self._positions

    def position(self, path: str) -> int | None:
        """Return the position of a file, starting at 0; None if the source has no file of that path."""
        return self._positions.get(path)

    def look(self, position: int) -> str | None:
        """Return the fingerprint of a file; None if it has none."""
        found = bytes(self._looks[position * _LOOK_BYTES : (position + 1) * _LOOK_BYTES])
        return None if found == _NO_LOOK else found.hex()

    def has_problem(self, path: str) -> bool:
        """Return whether a file cannot be uploaded, as far as known without opening it."""
        return path in self._problems

    def lacks(self, path: str) -> bool:
        """Return whether the source had neither that file nor an excluded one of its path when it was read."""
        steps = path.split("/")
        above = ("/".join(steps[:end]) for end in range(1, len(steps) + 1))
        return path not in self._positions and not any(one in self.excluded or one in self._problems for one in above)

    def sample(self, path: str) -> SourceSample:
        """Return a file, pinned again if it is on this machine."""
        problem = self._problems.get(path)
        if problem is not None:
            return SourceSample(path, problem=problem)
        try:
            if self._root is None:
                return self._described(path, self._files[path])
            local = posixpath.join(self._root, path)
            return self._described(path, LocalFile.pin(local, posixpath.basename(path), content_types.guess(path)))
        except EdgeImpulseError as error:
            return SourceSample(path, problem=error)

    def read(self, open_store: OpenStore) -> None:
        """Find all files.

        :raises EdgeImpulseInputError: when the source does not exist, or permission to read it is denied.
        :raises EdgeImpulseFileError: when it cannot be listed completely.
        """
        takes = Filter(self._options.include, self._options.exclude)
        self._root = local_path("source", self.uri)
        check = partial(check_file, takes)
        if self._root is None:
            self._walk(open_folder("source", self.uri, open_store, flat=True), takes)
            self.presence = StorePresence(self.uri, open_store, check)
        else:
            identity = identity_of(self._root)
            self._walk(Folder(Disk(), self._root), takes)
            self.presence = LocalPresence(self._root, identity, check)

    def _walk(self, top: Folder, takes: Filter) -> None:
        walk = Walk(top, None)
        for visit in walk:
            for entry in visit.folder.entries:
                path = visit.prefix + entry.name
                if entry.is_hidden:
                    continue
                if entry.kind == DIRECTORY:
                    if takes.enters(path):
                        walk.enter(visit, entry, None)
                    else:
                        self.excluded.add(path)
                elif not (takes.takes(path) if entry.error is None else takes.enters(path)):
                    self.excluded.add(path)
                else:
                    self._add(path, entry, visit.folder)

    def _add(self, path: str, entry: Entry, folder: Folder) -> None:
        self._positions[path] = len(self._positions)
        try:
            if path.endswith(_SIDECARS):
                raise EdgeImpulseInputError(
                    f"Exclude {path!r}: a sync does not read files with labels of others. Upload samples that have "
                    "some with EdgeImpulseUploadSamplesOperator."
                )
            if entry.kind != FILE:
                raise entry.refuse()
            file = folder.storage.pin(entry, posixpath.basename(path), content_types.guess(path))
            look = self._described(path, file).look
            self._looks += _NO_LOOK if look is None else bytes.fromhex(look)
            if self._root is None:
                self._files[path] = file
        except EdgeImpulseError as error:
            self._looks += _NO_LOOK
            self._problems[path] = error

    def _described(self, path: str, file: SourceFile) -> SourceSample:
        check_file_name(posixpath.basename(path), file.source)
        category, label = self._options.place_of(path)
        self.categories.add(category)
        return SourceSample(path, file, category, label, self._options.metadata_of(path))
