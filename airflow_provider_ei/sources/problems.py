"""Messages about what is wrong with a path or an object, and what to do about it."""

from __future__ import annotations

import os
import stat

from airflow_provider_ei.exceptions import EdgeImpulseFileError

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def kind_of(mode: int) -> str:
    """Return the name of a mode's file type, which must not be a regular file."""
    return next((name for test, name in _KINDS if test(mode)), "something else")


def missing(path: str) -> str:
    """Return a message that says what to do about a path that does not exist."""
    if os.path.islink(path):
        return f"check the symbolic link {path!r}: its target {os.readlink(path)!r} does not exist."
    if path.startswith("~") or "$" in path:
        return f"write the whole path, since '~' and '$' are not expanded: {path!r} does not exist."
    if not os.path.isabs(path):
        return f"write the absolute path: {path!r} is {os.path.abspath(path)!r} here, which does not exist."
    return f"check the path, which does not exist on the machine that runs this task: {path!r}."


def unreadable(source: str, reason: Exception) -> EdgeImpulseFileError:
    """Return the error for a path or object that cannot be read or listed."""
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    if isinstance(reason, FileNotFoundError):
        words = "it is gone"
    return EdgeImpulseFileError(f"{source!r} cannot be read: {words}.")
