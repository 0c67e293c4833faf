"""The wanted data item. Invalid arguments are refused before any request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.numeric import whole_number
from airflow_provider_ei.sources.discover import discover_files
from airflow_provider_ei.sources.file_specs import parse_file_specs
from airflow_provider_ei.sources.literals import parse_literal
from airflow_provider_ei.sources.names import check_text
from airflow_provider_ei.sources.object_store import OpenStore
from airflow_provider_ei.studio.files import UploadFile
from airflow_provider_ei.studio.kept_files import KeptFiles
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.studio.read_ahead import ReadAhead
from airflow_provider_ei.sync.checks import check_bucket, optional_text
from airflow_provider_ei.sync.digest import files_digest, item_digest, sha256_of
from airflow_provider_ei.sync.metadata import metadata_strings
from airflow_provider_ei.sync.stored_names import Correspondence, correspond


@dataclass
class WantedItem:
    """What a data item should be, and the hashes of its files that are known so far.

    :ivar sync_id: the dataset sync that uploads it; None for a single upload. A sync changes only its own items.
    :ivar fingerprint: digests, joined by ``-``, of the files' names, sizes and versions and of the sources of the
        metadata; None if it is not stored.
    :ivar sizes_only: treat files with the listed names and sizes as unchanged, without reading them.
    :ivar origin: identifies the mapped task that uploads it: two map indexes of one DAG run do not replace each
        other's items.
    :ivar uris: the paths and URIs that a user gave for the files, for lineage.
    :ivar hashes: SHA-256 in hex by file name, for the files that have been read. A file is hashed while it is sent, so
        a large new item is read only once.
    """

    name: str
    dataset: str
    files: Sequence[UploadFile]
    metadata: Mapping[str, str]
    bucket_name: str | None = None
    bucket_id: int | None = None
    bucket_path: str | None = None
    sync_id: str | None = None
    fingerprint: str | None = None
    sizes_only: bool = False
    origin: str | None = None
    uris: Sequence[str] = ()
    hashes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sizes = {file.name: file.size for file in self.files}
        self._digested: tuple[dict[str, str], str] | None = None

    @property
    def sizes(self) -> Mapping[str, int]:
        """Bytes by file name."""
        return self._sizes

    @property
    def total_bytes(self) -> int:
        """Bytes of all files."""
        return sum(self._sizes.values())

    def looks_like(self, fingerprint: str | None) -> bool:
        """Return whether the files have the same fingerprint; the metadata may differ."""
        if fingerprint is None or self.fingerprint is None:
            return False
        return fingerprint.partition("-")[0] == self.fingerprint.partition("-")[0]

    @property
    def hashed(self) -> bool:
        """Whether every file has been read, so that the digests are known."""
        return self.hashes.keys() == self._sizes.keys()

    @property
    def files_digest(self) -> str:
        """Digest of the files."""
        if self._digested is None or self._digested[0] != self.hashes:
            digest = files_digest({name: (size, self.hashes[name]) for name, size in self._sizes.items()})
            self._digested = (dict(self.hashes), digest)
        return self._digested[1]

    @property
    def digest(self) -> str:
        """Digest of files and metadata, which marks a complete item."""
        return item_digest(self.files_digest, self.metadata)

    def correspondence(self, listed: DataItem) -> Correspondence:
        """Match the listed files with the wanted files."""
        if listed.files is None:
            raise ValueError(f"data item {listed.id} was listed without its files")
        return correspond(self._sizes, listed.files)

    def difference(self, listed: DataItem, found: Correspondence) -> str | None:
        """Describe how the listed files differ in names or sizes; None if they do not.

        Names that the service spells differently do not count as long as they correspond one to one.
        """
        files = listed.files or ()
        for form, group in found.merged.items():
            return f"{' and '.join(map(repr, group))} are one file there, {form!r}"
        for name in found.missing:
            return f"{name!r} is not there"
        for name in found.strangers:
            return f"{name!r} is there and was not given"
        if len(files) != len(found.names):
            return f"it lists {len(files)} files under {len(found.names)} names"
        for file in files:
            size = self._sizes[found.names[file.name]]
            if file.size != size:
                return f"{file.name!r} has {file.size} bytes there, {size} here"
        return None


def want_item(
    *,
    name: object,
    dataset: object,
    files: object,
    metadata: object,
    bucket_name: object,
    bucket_id: object,
    bucket_path: object,
    open_store: OpenStore,
    origin: str | None = None,
) -> WantedItem:
    """Create the wanted item from the arguments of ``add_data``.

    :raises EdgeImpulseInputError: naming the field, the item and the value or file.
    """
    name = check_text("name", name)
    try:
        check_bucket(bucket_name, bucket_id)
        specs = parse_file_specs(files)
        return WantedItem(
            name=name,
            dataset=check_text("dataset", dataset),
            metadata=metadata_strings(parse_literal(metadata, "metadata") if isinstance(metadata, str) else metadata),
            bucket_name=optional_text("bucket_name", bucket_name),
            bucket_id=whole_number("bucket_id", bucket_id),
            bucket_path=optional_text("bucket_path", bucket_path),
            origin=origin,
            uris=tuple(spec.path for spec in specs),
            files=discover_files(specs, open_store),
        )
    except EdgeImpulseInputError as error:
        raise EdgeImpulseInputError(f"Data item {name!r}: {error}") from error.__cause__


def hash_files(wanted: WantedItem, check: Callable[[], None], kept: KeptFiles | None = None) -> int:
    """Hash the files that have not been read yet.

    :param check: called with each block; raises to stop early.
    :param kept: keeps data read from an object store, so that it can be sent without reading it again.
    :return: number of bytes read.
    :raises EdgeImpulseFileError: when a file cannot be read, or changes while it is read.
    """
    unread = [file for file in wanted.files if file.name not in wanted.hashes]
    with ReadAhead(unread) as ahead:
        for file in unread:
            if not ahead.covers(file):
                wanted.hashes[file.name] = sha256_of(file, check)
                continue
            check()
            data = ahead.read(file)
            wanted.hashes[file.name] = hashlib.sha256(data).hexdigest()
            if kept is not None:
                kept.add(file, data)
    return sum(file.size for file in unread)
