"""What a service may make of a name that it is given."""

from __future__ import annotations

import unicodedata


def canonical_name(name: str) -> str:
    """Return the form in which names are compared that a service may have normalized.

    Some services keep names in NFC, trim them, or collapse white space. A name that is equal to its canonical form is kept
    as it is by all of these.
    """
    return " ".join(unicodedata.normalize("NFC", name).split())
