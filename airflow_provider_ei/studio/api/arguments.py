"""Validates the arguments of API calls before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from airflow_provider_ei.exceptions import EdgeImpulseInputError


def check_unicode(**values: str | None) -> None:
    """Reject strings that cannot be encoded.

    :param values: the strings by argument name.
    :raises EdgeImpulseInputError: when one has a lone surrogate, which is half of a character.
    """
    for name, value in values.items():
        if value is not None and not is_unicode(value):
            raise _lone_surrogate(name, value)


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Reject metadata whose keys or values cannot be encoded."""
    for key, value in metadata.items():
        for text in (key, value):
            if not is_unicode(text):
                raise _lone_surrogate("metadata", text)


def check_file_names(names: Iterable[str]) -> None:
    """Reject file names that cannot be encoded."""
    names = list(names)
    if is_unicode("".join(names)):
        return
    for name in names:
        if not is_unicode(name):
            raise _lone_surrogate("files", name)


def is_unicode(text: str) -> bool:
    """Return whether a string can be encoded; one with a lone surrogate cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _lone_surrogate(name: str, text: str) -> EdgeImpulseInputError:
    return EdgeImpulseInputError(
        f"Decode {name} with the right encoding: it has a lone surrogate, which is not valid Unicode: {text!r}."
    )
