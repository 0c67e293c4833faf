"""The state that this package keeps in a sample's metadata, under the key ``airflow_ei``.

It names the file that the sample was made from, the sync, and everything that the sync has set, so that a listing shows
whether somebody has changed the sample since. It is written together with the sample, in one request: the service
stores both or neither.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from airflow_provider_ei.studio.api.samples import Sample
from airflow_provider_ei.studio.spelling import canonical_name
from airflow_provider_ei.sync.digest import canonical
from airflow_provider_ei.sync.metadata import STATE_KEY

#: Version of the JSON object. Other versions are not read, so the sample does not count as ours.
VERSION = 1


class _Record(msgspec.Struct, forbid_unknown_fields=False):
    version: int
    path: str
    sync: str
    category: str
    label: str
    sha256: str
    look: str
    keys: list[str]
    values: str
    adopted: bool = False


_decode = msgspec.json.Decoder(_Record).decode


@dataclass(frozen=True, slots=True)
class SampleState:
    """The state of a sample.

    :ivar path: the file's path relative to the source of the sync.
    :ivar sync: the id of the sync.
    :ivar category: as the sync has set it, like ``label``.
    :ivar sha256: of the file, in hex.
    :ivar look: fingerprint of the file's size and version, and of what the sync sets; see ``SampleIndex``.
    :ivar keys: the metadata keys that the sync has set.
    :ivar values: digest of their values.
    :ivar adopted: the sample was uploaded by somebody else, with the same content, label and category. It is never
        deleted.
    """

    path: str
    sync: str
    category: str
    label: str
    sha256: str
    look: str
    keys: frozenset[str]
    values: str
    adopted: bool = False

    @classmethod
    def of(cls, sample: Sample) -> SampleState | None:
        """Read the state of a sample; None when no sync has written one."""
        text = (sample.metadata or {}).get(STATE_KEY)
        if not isinstance(text, str):
            return None
        try:
            record = _decode(text)
        except (msgspec.MsgspecError, UnicodeEncodeError):
            return None
        if record.version != VERSION:
            return None
        return cls(
            path=record.path,
            sync=record.sync,
            category=record.category,
            label=record.label,
            sha256=record.sha256,
            look=record.look,
            keys=frozenset(record.keys),
            values=record.values,
            adopted=record.adopted,
        )

    def names(self, sample: Sample) -> bool:
        """Return whether a sample has the name of the state's file, with or without its extension.

        A sample that was made from another one in Studio, by a crop or a split, may have its metadata, and has another
        name.
        """
        base = posixpath.basename(self.path)
        forms = {canonical_name(base), canonical_name(posixpath.splitext(base)[0])}
        return canonical_name(sample.filename) in forms

    def holds(self, sample: Sample) -> bool:
        """Return whether a sample is as the sync has set it: category, label, and the values of its metadata."""
        return (sample.category, sample.label) == (self.category, self.label) and values_digest(
            sample, self.keys
        ) == self.values

    def text(self) -> str:
        """Return the value of the metadata key, as canonical JSON."""
        record = {
            "version": VERSION,
            "path": self.path,
            "sync": self.sync,
            "category": self.category,
            "label": self.label,
            "sha256": self.sha256,
            "look": self.look,
            "keys": sorted(self.keys),
            "values": self.values,
        }
        return canonical(record | ({"adopted": True} if self.adopted else {})).decode()


def values_digest(sample: Sample, keys: frozenset[str]) -> str:
    """Return a digest of the values that a sample has for some keys. An empty value counts as none."""
    metadata = sample.metadata or {}
    return digest_of_values({key: metadata[key] for key in keys if metadata.get(key)})


def digest_of_values(values: Mapping[str, str]) -> str:
    """Return a digest of metadata."""
    given = {key: value for key, value in values.items() if value}
    return hashlib.sha256(canonical(given)).hexdigest()[:16] if given else ""
