"""Validates names and detects names that would collide."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal
from numbers import Integral, Rational

from airflow_provider_ei.exceptions import EdgeImpulseInputError


def check_text(field: str, value: object, *, where: str = "") -> str:
    """Validate the name of a data item, a dataset or a bucket, and return it as it will be sent.

    :param field: the parameter's name, for the message.
    :raises EdgeImpulseInputError: when it is not a string, is empty, or has control characters or surrounding spaces.
    """
    label = f"{where}{field}"
    if isinstance(value, int) and not isinstance(value, bool) and not has_many_digits(value):
        value = str(int(value))  # a template rendered to a native number
    if isinstance(value, str):
        value = str.__str__(value)  # the value of a ``class Name(str, Enum)``, not the name of its member
    if value is None or value in ("", "None"):
        what = "None" if value is None else "the string 'None'" if value else "empty"
        raise EdgeImpulseInputError(
            f"Give {label} a value: it is {what}. If it comes from a template or an upstream task, that task returned "
            "nothing or was skipped."
        )
    if not isinstance(value, str):
        shown = "" if has_many_digits(value) else f": {str(value)[:80]!r}"
        raise EdgeImpulseInputError(f"{label} must be a string, not {type(value).__name__}{shown}.")
    if value != value.strip():
        raise EdgeImpulseInputError(f"Strip {label} {value!r}: it begins or ends with white space.")
    return check_characters(label, value)


def has_many_digits(value: object) -> bool:
    """Return whether a number has so many digits that formatting it takes long or is refused by Python."""
    if isinstance(value, Integral):
        return abs(int(value)) >= 10**1000
    if isinstance(value, Rational):
        return max(abs(int(value.numerator)), int(value.denominator)) >= 10**1000
    if isinstance(value, Decimal) and value.is_finite():
        return max(abs(value.adjusted()), len(value.as_tuple().digits)) >= 1000
    return False


def check_characters(label: str, value: str) -> str:
    """Reject characters that would break a header or cannot be encoded.

    :raises EdgeImpulseInputError: for control characters (NUL, CR, LF, …) and for bytes that are not UTF-8.
    """
    if value.isprintable():
        return value  # the usual case; no need to check each character
    bad = next((c for c in value if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")), None)
    if bad is not None:
        surrogate = unicodedata.category(bad) == "Cs"
        what = "the bytes that are not UTF-8" if surrogate else f"the control character {bad!r}"
        raise EdgeImpulseInputError(f"Remove {what} from {label} {value!r}.")
    return value


def check_file_name(name: str, source: str) -> str:
    """Validate and return a file's name within its item, with ``/`` between folders.

    :raises EdgeImpulseInputError: for control characters, an empty or absolute name, or ``.`` or ``..`` as a folder.
    """
    if "/" not in name and name not in ("", ".", "..") and name.isprintable():
        return name  # the usual case
    check_characters(f"files, the name for {source!r}:", name)
    if not name or any(step in ("", ".", "..") for step in name.split("/")):
        raise EdgeImpulseInputError(
            f"files: give a relative name without empty, '.' or '..' folders, not {name!r}, for {source!r}."
        )
    return name


def wire_forms(name: str) -> frozenset[str]:
    """Return the forms in which a server may list a name that was sent.

    Names are sent as UTF-8, with ``"`` as ``%22``. A server may decode them as Latin-1. It may keep ``%22``, or decode
    it together with ``%0D`` and ``%0A``, even if the name itself contains these sequences.
    """
    if name.isascii() and not {'"', "%"}.intersection(name):
        return frozenset([name])
    sent = name.replace('"', "%22")
    decoded = sent.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
    forms = (name, sent, decoded)
    return frozenset([*forms, *(form.encode().decode("latin-1") for form in forms)])


def check_collisions(
    files: Iterable[tuple[str, str]], *, remedy: str = 'give one of two files another name with {"path": …, "name": …}'
) -> None:
    """Reject two files of one item that the service, or a person who downloads them, could not distinguish.

    :param files: pairs of name and source.
    :param remedy: what to do about it; the message starts with it.
    :raises EdgeImpulseInputError: when two names are equal, or differ only in Unicode form, in case, or in ``"`` and
        ``%22``; the message names both sources.
    """
    files = list(files)
    keys = _collision_keys([name for name, _ in files])
    if len(set(keys)) == len(keys):
        return
    seen: dict[str, tuple[str, str]] = {}
    for number, (key, file) in enumerate(zip(keys, files, strict=True), 1):
        name, source = file
        other_name, other_source = seen.setdefault(key, file)
        if len(seen) < number:
            same = f"the name {name!r}" if name == other_name else f"names that collide, {other_name!r} and {name!r}"
            raise EdgeImpulseInputError(f"files: {remedy}: {other_source!r} and {source!r} have {same}.")


def _collision_keys(names: Sequence[str]) -> list[str]:
    """Return for each name a key that is the same for all names that cannot be distinguished from it."""
    text = "".join(names)
    if text.isascii() and '"' not in text:
        return [name.lower() for name in names]  # the usual case; the same as below, in a fraction of the time
    return [unicodedata.normalize("NFC", name.replace('"', "%22")).casefold() for name in names]
