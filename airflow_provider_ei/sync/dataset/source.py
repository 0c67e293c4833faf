"""A data item as its source has it: files that were looked at and not opened, and what is known of its metadata.

A source of ten thousand items is compared with the service by looks alone. Only what looks new is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError
from airflow_provider_ei.sources.names import check_collisions, check_file_name, check_text
from airflow_provider_ei.sources.source_file import SourceFile
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.dataset import sidecar
from airflow_provider_ei.sync.dataset.options import ItemContext, SyncOptions
from airflow_provider_ei.sync.digest import canonical
from airflow_provider_ei.sync.item import WantedItem
from airflow_provider_ei.sync.item_state import ItemState, certifies
from airflow_provider_ei.sync.stored_names import correspond, names_digest

#: Goes into every fingerprint, so that a later way to make it cannot be mistaken for this one.
FINGERPRINT_VERSION = 1


@dataclass
class SourceItem:
    """One data item of a source.

    :ivar name: name of the data item.
    :ivar files: what it consists of.
    :ivar sidecar: the file beside them with metadata of its own.
    :ivar texts: metadata that the sync adds.
    :ivar problem: why it cannot be uploaded, as far as that was seen without opening a file.
    :ivar wanted: the item as it should be, once :meth:`resolve` was called.
    """

    name: str
    files: Sequence[SourceFile]
    texts: Mapping[str, str] = field(default_factory=dict)
    sidecar: SourceFile | None = None
    problem: EdgeImpulseError | None = None
    wanted: WantedItem | None = field(default=None, repr=False)

    @property
    def context(self) -> ItemContext:
        """What templates can say of it."""
        return ItemContext(self.name, len(self.files), sum(file.size for file in self.files))

    def fingerprint(self) -> str | None:
        """Return what the item looks like: names, sizes and versions of its files; and of its metadata's sources.

        :return: two short hashes joined by ``-``, or None when the source tells no version of a file.
        """
        beside = () if self.sidecar is None else (self.sidecar,)
        if any(file.version is None for file in (*self.files, *beside)):
            return None
        looks = sorted((file.name, file.size, file.version) for file in self.files)
        return f"{_short_hash(looks)}-{_short_hash([[(f.size, f.version) for f in beside], self.texts])}"

    def is_as_listed(self, listed: DataItem, fingerprint: str | None) -> bool:
        """Whether nothing has changed on either side, as far as that can be told without reading.

        False says only that it takes a closer look.
        """
        state = ItemState.of(listed)
        if state is None or not state.complete or fingerprint is None or state.fingerprint != fingerprint:
            return False
        if state.stored_as(listed, state.stored_files) != state or not self._lists_all(listed, state):
            return False
        return certifies(listed, state)

    def _lists_all(self, listed: DataItem, state: ItemState) -> bool:
        """Whether the listed files are those of the source, by names and sizes."""
        there = {file.name: file.size for file in listed.files or ()}
        if len(there) != len(self.files) or len(there) != len(listed.files or ()):
            return False
        if state.stored_files is None:
            return all(there.get(file.name) == file.size for file in self.files)
        if names_digest(there) != state.stored_files:
            return False
        found = correspond({file.name: file.size for file in self.files}, listed.files or ())
        return found.one_to_one and all(there[form] == size for form, size in self._sizes_of(found.names))

    def _sizes_of(self, names: Mapping[str, str]) -> list[tuple[str, int]]:
        sizes = {file.name: file.size for file in self.files}
        return [(form, sizes[name]) for form, name in names.items()]

    def resolve(self, options: SyncOptions) -> WantedItem:
        """Read its metadata, check its names, and return the item as it should be.

        :raises EdgeImpulseInputError: naming what cannot be uploaded.
        :raises EdgeImpulseFileError: when the file with its metadata cannot be read.
        """
        if self.wanted is None:
            try:
                self.wanted = self._want(options)
            except EdgeImpulseInputError as error:
                raise EdgeImpulseInputError(f"Data item {self.name!r}: {error}") from error.__cause__
        return self.wanted

    def _want(self, options: SyncOptions) -> WantedItem:
        for file in self.files:
            check_file_name(file.name, file.source)
        files = ((file.name, file.source) for file in self.files)
        check_collisions(files, remedy="rename or exclude one of two files in the source")
        return WantedItem(
            name=check_text("name", self.name),
            dataset=options.dataset,
            files=sorted(self.files, key=lambda file: file.name),
            metadata=self.texts if self.sidecar is None else sidecar.read(self.sidecar, self.texts),
            bucket_name=options.bucket_name,
            bucket_id=options.bucket_id,
            sync_id=options.sync_id,
            fingerprint=None if options.sizes_only else self.fingerprint(),
            sizes_only=options.sizes_only,
        )


def _short_hash(value: object) -> str:
    return hashlib.sha256(canonical([FINGERPRINT_VERSION, value]).encode(errors="surrogatepass")).hexdigest()[:32]
