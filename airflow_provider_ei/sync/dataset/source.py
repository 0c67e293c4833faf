"""A data item of a source: its files, which are listed but not opened, and its metadata as far as they are known.

A source is compared with the service by fingerprints alone. Only new or changed items are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError
from airflow_provider_ei.sources.names import check_collisions, check_file_name, check_text
from airflow_provider_ei.sources.source_file import SourceFile
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.dataset import sidecar
from airflow_provider_ei.sync.dataset.options import ItemContext, SyncOptions
from airflow_provider_ei.sync.digest import canonical
from airflow_provider_ei.sync.item.wanted import WantedItem
from airflow_provider_ei.sync.item_state import ItemState, certifies
from airflow_provider_ei.sync.stored_names import correspond, names_digest

#: Part of every fingerprint, so that fingerprints computed in a different way in the future do not match.
FINGERPRINT_VERSION = 1


#: The metadata hashed last, and their hash.
_last_metadata: tuple[Mapping[str, str] | None, str] = (None, "")


@dataclass
class SourceItem:
    """One data item of a source.

    :ivar name: name of the data item.
    :ivar files: its files.
    :ivar sidecar: the file with the item's own metadata.
    :ivar metadata: metadata from the sync or the list of items.
    :ivar problem: why it cannot be uploaded, as far as known without opening a file.
    :ivar wanted: the wanted item, after :meth:`resolve` was called.
    """

    name: str
    files: Sequence[SourceFile]
    metadata: Mapping[str, str] = field(default_factory=dict)
    sidecar: SourceFile | None = None
    problem: EdgeImpulseError | None = None
    wanted: WantedItem | None = field(default=None, repr=False)

    @property
    def context(self) -> ItemContext:
        """What templates can use of the item."""
        return ItemContext(self.name, len(self.files), sum(file.size for file in self.files))

    def fingerprint(self) -> str | None:
        """Return a digest of the names, sizes and versions of the files, and a digest of the metadata.

        :return: two short hashes joined by ``-``; None if a file has no version.
        """
        looks = self._looks_of_files()
        return None if looks is None else f"{_short_hash(looks)}-{self._looks_of_metadata()}"

    def looks(self) -> bytes | None:
        """Return 48 bytes to compare with a listed item; None if a file has no version.

        They are the fingerprint, and a digest of the files' names and sizes, which a listing also contains.
        """
        looks = self._looks_of_files()
        if looks is None:
            return None
        fingerprint = _short_hash(looks) + self._looks_of_metadata()
        return bytes.fromhex(fingerprint) + _sizes_digest([(name, size) for name, size, _ in looks])

    def _looks_of_files(self) -> list[tuple[str, int, str | None]] | None:
        looks = [(file.name, file.size, file.version) for file in self.files]
        sidecar_version = None if self.sidecar is None else self.sidecar.version
        if (self.sidecar is not None and sidecar_version is None) or None in [version for _, _, version in looks]:
            return None
        looks.sort()
        return looks

    def _looks_of_metadata(self) -> str:
        global _last_metadata
        metadata, sidecar_file = self.metadata, self.sidecar
        if sidecar_file is not None:
            return _short_hash([[(sidecar_file.size, sidecar_file.version)], metadata])
        known, digest = _last_metadata
        if known is not metadata:  # usually all items have the same metadata
            digest = _short_hash([[], metadata])
            _last_metadata = (metadata, digest)
        return digest

    def spells_as_listed(self, listed: DataItem) -> bool:
        """Return whether the listed files match the item's files, even if the service changed their names."""
        sizes = {file.name: file.size for file in self.files}
        found = correspond(sizes, listed.files or ())
        there = {file.name: file.size for file in listed.files or ()}
        return found.one_to_one and all(there[form] == sizes[name] for form, name in found.names.items())

    def resolve(self, options: SyncOptions) -> WantedItem:
        """Read the metadata, check the names, and return the wanted item.

        :raises EdgeImpulseInputError: when a name or the metadata are invalid.
        :raises EdgeImpulseFileError: when the metadata file cannot be read.
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
            metadata=self.metadata if self.sidecar is None else sidecar.read(self.sidecar, self.metadata),
            bucket_name=options.bucket_name,
            bucket_id=options.bucket_id,
            sync_id=options.sync_id,
            fingerprint=None if options.sizes_only else self.fingerprint(),
            sizes_only=options.sizes_only,
        )


def is_as_listed(looks: bytes, listed: DataItem, state: ItemState, read_again: Callable[[], SourceItem | None]) -> bool:
    """Return whether source and listing are certainly unchanged, without reading files.

    False means only that the item must be checked.

    :param looks: see :meth:`SourceItem.looks`.
    :param read_again: returns the item; called only if the service spells its file names differently.
    """
    fingerprint = f"{looks[:16].hex()}-{looks[16:32].hex()}"
    if not state.complete or state.fingerprint != fingerprint or not state.names_stored_item(listed):
        return False
    files = listed.files or ()
    if state.stored_files is None:
        sizes = sorted([(file.name, file.size) for file in files])
        return _sizes_digest(sizes) == looks[32:] and certifies(listed, state)
    names = {file.name for file in files}
    if len(names) != len(files) or names_digest(names) != state.stored_files or not certifies(listed, state):
        return False
    item = read_again()
    return item is not None and item.fingerprint() == fingerprint and item.spells_as_listed(listed)


def _sizes_digest(sizes: Sequence[tuple[str, int]]) -> bytes:
    """Return a digest of the sorted names and sizes of files."""
    return hashlib.blake2b(canonical(sizes), digest_size=16).digest()


def _short_hash(value: object) -> str:
    return hashlib.sha256(canonical([FINGERPRINT_VERSION, value])).hexdigest()[:32]
