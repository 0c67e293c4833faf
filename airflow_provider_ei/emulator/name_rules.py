"""How names are stored: the effect of the switches for names."""

from __future__ import annotations

import re
import unicodedata

from airflow_provider_ei.emulator.emulator_settings import EmulatorSettings, NameForm

_ESCAPES = ((b"%22", b'"'), (b"%0D", b"\r"), (b"%0A", b"\n"))
_ENCODINGS = {"utf8": "utf-8", "latin1": "latin-1"}


def stored_name(name: str, form: NameForm) -> str:
    """Return the stored form of the name of an item, a dataset or a file. It may be empty."""
    match form:
        case "nfc":
            return unicodedata.normalize("NFC", name)
        case "trim":
            return name.strip()
        case "collapse":
            return " ".join(name.split())
        case _:
            return name


def stored_file_name(sent: bytes, settings: EmulatorSettings) -> str:
    """Return the name under which an uploaded file is stored, or an empty string if the file is dropped.

    :param sent: the bytes between the quotes of ``filename="…"``.
    """
    if settings.trailing_backslash == "drop_file" and sent.endswith(b"\\"):
        return ""
    if settings.file_quotes == "decode":
        sent = unescape(sent)
    name = sent.decode(_ENCODINGS[settings.file_names], "replace")
    if settings.file_folders == "drop":
        name = re.split(r"[/\\]", name)[-1]
        name = "" if name in (".", "..") else name
    return stored_name(name, settings.name_form)


def unescape(name: bytes) -> bytes:
    """Return the name of a form's part without the escapes that browsers write."""
    for written, meant in _ESCAPES:
        name = name.replace(written, meant)
    return name
