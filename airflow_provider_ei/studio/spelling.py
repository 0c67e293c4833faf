"""Compares names that a service may store in another Unicode form or with different white space."""

from __future__ import annotations

import re
import unicodedata

_BLANKS = re.compile(r"[\s\ufeff]+")  # JavaScript's trim() also treats U+FEFF as white space


def canonical_name(text: str) -> str:
    """Return the form that a name shares with every form in which a service may store it.

    It is the name in NFC, without surrounding white space, and with each run of white space collapsed to one space.
    """
    return _collapsed(unicodedata.normalize("NFC", text))


def may_be_stored_as(asked: str, stored: str) -> bool:
    """Return whether a service may have stored a requested name under another one.

    Every service that normalizes names stores a canonical name unchanged.
    """
    canonical = canonical_name(asked)
    return stored == asked if canonical == asked else canonical_name(stored) == canonical


def spellings(text: str) -> tuple[str, ...]:
    """Return the forms in which a service may store a name, the given one first; usually there is only one."""
    composed = unicodedata.normalize("NFC", text)
    forms = (text, composed, text.strip(), composed.strip(), _collapsed(text), _collapsed(composed))
    return tuple(dict.fromkeys(form for form in forms if form))


def _collapsed(text: str) -> str:
    return _BLANKS.sub(" ", text).strip()
