"""Matches an item's files with the names under which the service stores them.

How the service stores a file name is not documented. Servers in use drop folders, read UTF-8 as Latin-1, keep ``%22``
or decode it, normalize to NFC, and trim or collapse white space. Some drop a file whose name ends with a backslash. As
long as files and names correspond one to one, no data is lost. When two files became one, data is lost.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from airflow_provider_ei.studio.known_service import KnownService
from airflow_provider_ei.studio.models import DataFile
from airflow_provider_ei.sync.digest import canonical

_SENT = str.maketrans({'"': "%22"})
_QUOTES = (lambda sent: sent, lambda sent: sent.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n"))
_DECODING = (lambda name: name, lambda name: name.encode(errors="surrogateescape").decode("latin-1"))
_FOLDERS = (lambda name: name, lambda name: re.split(r"[/\\]", name)[-1], lambda name: name.rpartition("/")[2])
_FORMS = (
    lambda name: name,
    lambda name: unicodedata.normalize("NFC", name),
    lambda name: unicodedata.normalize("NFD", name),
    str.strip,
    lambda name: " ".join(name.split()),
)


@dataclass(frozen=True)
class Correspondence:
    """Listed files, matched with wanted files.

    :ivar names: wanted names by listed name.
    :ivar exact: whether every wanted file is listed under its own name.
    :ivar missing: wanted names that are not listed.
    :ivar strangers: listed names that do not belong to any wanted file.
    :ivar merged: groups of wanted names that became one file, by the listed name of that file.
    """

    names: Mapping[str, str]
    exact: bool
    missing: Sequence[str] = field(default_factory=list)
    strangers: Sequence[str] = field(default_factory=list)
    merged: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def one_to_one(self) -> bool:
        """Whether each wanted file is listed, and no other file."""
        return not (self.missing or self.strangers or self.merged)


def correspond(wanted: Mapping[str, int], listed: Sequence[DataFile]) -> Correspondence:
    """Match listed files with wanted files by name. If several names match, compare sizes.

    :param wanted: sizes in bytes by name.
    """
    sizes = {file.name: file.size for file in listed}
    if sizes.keys() == wanted.keys():
        return Correspondence({name: name for name in sizes}, exact=True)
    return _as_one_way(wanted, sizes) or _name_by_name(wanted, sizes)


def stored_forms(name: str) -> frozenset[str]:
    """Return all known forms in which services store a file's name, including the name itself."""
    return frozenset(way(name) for way in _WAYS) - {""} | {name}


def names_digest(names: Iterable[str]) -> str:
    """Return a short digest of the names that the service lists."""
    return hashlib.sha256(canonical(sorted(names))).hexdigest()[:16]


def lost_in(service: KnownService, names: Sequence[str]) -> Correspondence:
    """Return which of the wanted names a service does not distinguish, or drops, as far as a check has found out.

    An unknown fact changes nothing here, since it can only make more names equal.
    """
    folders = {"drop": _FOLDERS[2]}.get(service.file_folders or "")
    form = {"nfc": _FORMS[1], "trim": _FORMS[3], "collapse": _FORMS[4]}.get(service.name_form or "")
    way = _way(*(step for step in (folders, form) if step is not None))
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(way(name), []).append(name)
    missing = groups.pop("", [])
    if service.trailing_backslash == "drop_file":
        missing += [name for name in names if name.endswith("\\") and name not in missing]
    merged = {stored: sorted(group) for stored, group in groups.items() if len(group) > 1}
    return Correspondence({}, exact=False, missing=missing, merged=merged)


def _way(*steps: Callable[[str], str]) -> Callable[[str], str]:
    def stored(name: str) -> str:
        sent = name.translate(_SENT)
        for step in steps:
            sent = step(sent)
        return sent

    return stored


#: Known ways in which a service changes all names.
_WAYS = [_way(*steps) for steps in product(_QUOTES, _DECODING, _FOLDERS, _FORMS)]


def _as_one_way(wanted: Mapping[str, int], sizes: Mapping[str, int]) -> Correspondence | None:
    """Match all listed names by one known way of storing names; None if no way matches all of them."""
    for way in _WAYS:
        if any(way(name) not in sizes for name in wanted):
            continue
        names: dict[str, str] = {}
        groups: dict[str, list[str]] = {}
        for name in wanted:
            groups.setdefault(way(name), []).append(name)
            names[way(name)] = name
        if len(names) == len(sizes):
            merged = {
                form: sorted(group, key=lambda name: (name not in groups, name))
                for form, group in groups.items()
                if len(group) > 1
            }
            return Correspondence(names, exact=False, merged=merged)
    return None


def _name_by_name(wanted: Mapping[str, int], sizes: Mapping[str, int]) -> Correspondence:
    """Match each listed name on its own: the files may come from several uploads, or from somebody else."""
    names = {name: name for name in sizes if name in wanted}
    exact = len(names) == len(wanted)
    forms = {name: stored_forms(name) for name in wanted if name not in names}
    candidates: dict[str, list[str]] = {form: [] for form in sizes if form not in names}
    for name, its_forms in forms.items():
        for form in its_forms & candidates.keys():
            candidates[form].append(name)

    def claim(*, by_size: bool) -> bool:
        """Match the names that are certain, which leaves fewer choices for the others."""
        before = len(names)
        for form, possible in candidates.items():
            left = [name for name in possible if name in forms and (not by_size or wanted[name] == sizes[form])]
            if form in names or len(left) != 1:
                continue
            others = (other for other in forms[left[0]] & candidates.keys() if other not in names)
            if sizes[form] == wanted[left[0]] or all(sizes[other] != wanted[left[0]] for other in others):
                names[form] = left[0]
                del forms[left[0]]
        return len(names) > before

    while claim(by_size=False) or claim(by_size=True):
        pass
    merged: dict[str, list[str]] = {}
    strangers = []
    for form, possible in candidates.items():
        group = [name for name in possible if name in forms]
        if form in names:
            continue
        if len(group) > 1:
            merged[form] = group
        else:
            strangers.append(form)
    grouped = {name for group in merged.values() for name in group}
    missing = []
    for name, its_forms in forms.items():
        if name in grouped:
            continue
        shared = min(its_forms & names.keys(), default=None)
        if shared is None:
            missing.append(name)
        else:
            merged.setdefault(shared, [names[shared]]).append(name)
    return Correspondence(names, exact, missing, strangers, merged)
