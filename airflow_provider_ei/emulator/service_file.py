"""Reads what a check of a real service has found out, so that the emulator can behave like that service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow_provider_ei.emulator.emulator_settings import EmulatorSettings

#: Members of the file that are not settings.
_OTHERS = ("checked",)


def read_service_file(path: str | Path) -> dict[str, Any]:
    """Return the settings in a file: the JSON that the check prints, or only its ``service``.

    :raises ValueError: when it is not such a file, or has a setting or a value that does not exist.
    :raises OSError: when it cannot be read.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError:
        value = None
    if isinstance(value, dict) and "service" in value:
        value = value["service"]
        value = json.loads(value) if isinstance(value, str) else value
    if not isinstance(value, dict):
        raise ValueError(f"{path} is not the result of a check: it must be a JSON object")
    found = {name: each for name, each in value.items() if name not in _OTHERS}
    EmulatorSettings().change(found)  # checks names and values
    return found
