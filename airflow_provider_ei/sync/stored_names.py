"""Recognizes an item's files under the names that the service has made of theirs.

How a service stores a file name is not documented. Servers in use drop folders, read UTF-8 as Latin-1, keep ``%22`` or decode
it, normalize to NFC, trim or collapse white space; some drop a file whose name ends with a backslash. As long as files and
names still correspond one to one, nothing is lost by that; where two files became one, something is.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_ei.studio.answers import DataFile
from airflow_provider_ei.sync.digest import canonical
from airflow_provider_ei.sync.names import wire_forms


@dataclass(frozen=True)
class Correspondence:
    """Which listed file is which wanted one.

    :ivar names: wanted names by listed ones.
    :ivar exact: every listed file has the very name of a wanted one.
    :ivar missing: wanted names that are not listed.
    :ivar strangers: listed names that are not of any wanted file.
    :ivar merged: wanted names that became one file, each group with the name that it has now.
    """

    names: Mapping[str, str]
    exact: bool
    missing: Sequence[str]
    strangers: Sequence[str]
    merged: Mapping[str, Sequence[str]]

    @property
    def one_to_one(self) -> bool:
        """Whether each wanted file is listed, and nothing else."""
        return not (self.missing or self.strangers or self.merged)


def correspond(wanted: Mapping[str, int], listed: Sequence[DataFile]) -> Correspondence:
    """Find out which listed file is which wanted one, by names; where these leave a choice, by sizes.

    :param wanted: sizes in bytes by name.
    """
    sizes = {file.name: file.size for file in listed}
    names = {name: name for name in sizes if name in wanted}
    if len(names) == len(wanted) == len(sizes):
        return Correspondence(names, exact=True, missing=(), strangers=(), merged={})
    forms = {name: stored_forms(name) for name in wanted if name not in names}
    by_form: dict[str, list[str]] = {}
    for name, its_forms in forms.items():
        for form in its_forms:
            by_form.setdefault(form, []).append(name)
    taken = set(names)
    merged: dict[str, list[str]] = {}
    strangers = []
    for form, size in sizes.items():
        if form in names:
            continue
        candidates = [name for name in by_form.get(form, ()) if name not in taken]
        if len(candidates) > 1:
            merged[form] = candidates
            taken.update(candidates)
        elif candidates and not (size != wanted[candidates[0]] and _is_elsewhere(candidates[0], forms, wanted, sizes)):
            names[form] = candidates[0]
            taken.add(candidates[0])
        else:
            strangers.append(form)
    missing = []
    for name in (name for name in wanted if name not in taken):
        shared = next((form for form in sorted(forms[name]) if form in names), None)
        if shared is None:
            missing.append(name)
        else:
            merged.setdefault(shared, [names[shared]]).append(name)
    return Correspondence(names, not forms, missing, strangers, merged)


def stored_forms(name: str) -> frozenset[str]:
    """Return the names that services are known to make of a file's name, its own among them."""
    forms = set(wire_forms(name))
    forms |= {form.rpartition("/")[2] for form in forms} | {re.split(r"[/\\]", form)[-1] for form in forms}
    if not all(map(str.isascii, forms)):
        forms |= {unicodedata.normalize(kind, form) for form in forms for kind in ("NFC", "NFD")}
    forms |= {form.strip() for form in forms} | {" ".join(form.split()) for form in forms}
    return frozenset(forms - {""})


def names_digest(names: Iterable[str]) -> str:
    """Return a short digest of the names that the service lists."""
    return hashlib.sha256(canonical(sorted(names)).encode(errors="surrogatepass")).hexdigest()[:16]


def _is_elsewhere(
    name: str, forms: Mapping[str, frozenset[str]], wanted: Mapping[str, int], sizes: Mapping[str, int]
) -> bool:
    """Whether another spelling of the name is listed with the size that is wanted."""
    return any(sizes.get(form) == wanted[name] for form in forms[name])
