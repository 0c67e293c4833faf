"""Paths for downloaded files: relative, inside the destination, and the same on every system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from airflow_provider_ei.exceptions import EdgeImpulseInputError

#: Names that Windows reserves for devices, whatever their extension.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")
_FORBIDDEN = frozenset('\\<>:"|?*')
_MAX_STEP_BYTES = 255


def relative_path(item: str, file: str) -> str:
    """Return the path of a file below the destination: the item's name, then the file's name.

    :raises EdgeImpulseInputError: when the path would lead out of the destination, or cannot exist on every system.
    """
    path = f"{item}/{file}"
    for name, what in ((item, "data item"), (file, "file")):
        problem = _problem(name)
        if problem:
            raise EdgeImpulseInputError(
                f"Rename the {what} {name!r} in Studio, or leave it out with filter: {path!r} cannot be the path of a "
                f"downloaded file, since {problem}."
            )
    return path


def check_distinct(paths: Iterable[str]) -> None:
    """Reject files that would replace each other, also where upper and lower case are the same.

    :raises EdgeImpulseInputError: naming two of them.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        key = _key(path)
        other = files.get(key) or folders.get(key)
        steps = key.split("/")
        above = ["/".join(steps[:number]) for number in range(1, len(steps))]
        other = other or next((files[folder] for folder in above if folder in files), None)
        if other is not None:
            raise EdgeImpulseInputError(
                f"Rename one of two in Studio, or leave it out with filter: {other!r} and {path!r} would be one file, "
                "or a file and a folder of the same name."
            )
        files[key] = path
        folders.update(dict.fromkeys(above, path))


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _problem(name: str) -> str | None:
    if name.startswith(("/", "\\")):
        return "it is absolute"
    if _DRIVE.match(name):
        return "it begins with a drive letter"
    if any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in name):
        return "it has control characters"
    if bad := sorted(_FORBIDDEN.intersection(name)):
        return f"it has the character {bad[0]!r}"
    for step in name.split("/"):
        if step in ("", ".", ".."):
            return f"it has the folder {step!r}"
        if step != step.strip() or step.endswith("."):
            return f"{step!r} begins or ends with a space, or ends with a dot"
        if _DEVICES.fullmatch(step):
            return f"{step!r} is the name of a device on Windows"
        if len(step.encode()) > _MAX_STEP_BYTES:
            return f"a part of it is longer than {_MAX_STEP_BYTES} bytes"
    return None
