"""Names as a service may keep them: composed otherwise, or with other white space than they were sent."""

from __future__ import annotations

import re
import unicodedata

_BLANKS = re.compile(r"[\s\ufeff]+")  # JavaScript's trim() takes U+FEFF for white space, too


def canonical_name(text: str) -> str:
    """Return the form that a name has in common with whatever a service may have made of it.

    That is Unicode's form NFC, without surrounding white space, each run of white space inside as one blank.
    """
    return _collapsed(unicodedata.normalize("NFC", text))


def may_be_stored_as(asked: str, stored: str) -> bool:
    """Whether a service may have made a stored name of the one that was asked for.

    A name that is equal to its canonical form is kept as it is by every service that normalizes.
    """
    canonical = canonical_name(asked)
    return stored == asked if canonical == asked else canonical_name(stored) == canonical


def spellings(text: str) -> tuple[str, ...]:
    """Return the forms in which a service may keep a name, the given one first; usually that is all."""
    composed = unicodedata.normalize("NFC", text)
    forms = (text, composed, text.strip(), composed.strip(), _collapsed(text), _collapsed(composed))
    return tuple(dict.fromkeys(form for form in forms if form))


def _collapsed(text: str) -> str:
    return _BLANKS.sub(" ", text).strip()
