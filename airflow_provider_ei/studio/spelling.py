"""Names as a service may store them: with other Unicode composition or white space than they were sent."""

from __future__ import annotations

import re
import unicodedata

_BLANKS = re.compile(r"[\s\ufeff]+")  # JavaScript's trim() removes U+FEFF, too


def canonical_name(text: str) -> str:
    """Return the form that all stored forms of a name have in common.

    That is Unicode's form NFC, without surrounding white space, and with one space for each run of white space.
    """
    return _collapsed(unicodedata.normalize("NFC", text))


def may_be_stored_as(asked: str, stored: str) -> bool:
    """Whether a service may have stored the requested name in this form.

    A name that is equal to its canonical form is stored unchanged by every service that normalizes.
    """
    canonical = canonical_name(asked)
    return stored == asked if canonical == asked else canonical_name(stored) == canonical


def spellings(text: str) -> tuple[str, ...]:
    """Return the forms in which a service may store a name, the given one first; usually there is no other."""
    composed = unicodedata.normalize("NFC", text)
    forms = (text, composed, text.strip(), composed.strip(), _collapsed(text), _collapsed(composed))
    return tuple(dict.fromkeys(form for form in forms if form))


def _collapsed(text: str) -> str:
    return _BLANKS.sub(" ", text).strip()
