"""Checked access to the query, the form fields or the JSON body of a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_ei.emulator.stored_data import StoreError

_DATASET_MEMBERS = {"dataset": str, "tags": list, "category": str, "type": str, "bucket": dict}


class Arguments:
    """The named values of a request. Every method raises ``StoreError`` for an invalid value."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def text(self, name: str) -> str | None:
        """Return a string, or ``None`` if it is missing or empty."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise StoreError(f"{name} must be a string")
        return _unicode(name, value)

    def required_text(self, name: str) -> str:
        """Return a required string."""
        value = self.text(name)
        if value is None:
            raise StoreError(f"Missing {name}")
        return value

    def integer(self, name: str) -> int | None:
        """Return an integer, or ``None`` if it is missing."""
        text = self.text(name)
        if text is None:
            return None
        try:
            number = int(text)
        except ValueError:
            raise StoreError(f"{name} must be an integer") from None
        if abs(number) >= 2**63:
            raise StoreError(f"{name} is out of range")
        return number

    def count(self, name: str) -> int | None:
        """Return an integer of 0 or more, or ``None`` if it is missing."""
        number = self.integer(name)
        if number is not None and number < 0:
            raise StoreError(f"{name} must not be negative")
        return number

    def metadata(self, name: str) -> dict[str, str] | None:
        """Return an object of strings, or ``None`` if it is missing."""
        value = self.values.get(name)
        return None if value is None else _strings(value)

    def dataset(self) -> dict[str, Any]:
        """Return the body of ``addOrganizationDataset``."""
        dataset: dict[str, Any] = {}
        for name, kind in _DATASET_MEMBERS.items():
            value = self.values.get(name)
            if not isinstance(value, kind):
                raise StoreError(f"Missing {name}" if value is None else f"{name} is of the wrong type")
            dataset[name] = value
        if dataset["type"] not in ("clinical", "files"):
            raise StoreError("type must be clinical or files")
        if not all(isinstance(tag, str) for tag in dataset["tags"]):
            raise StoreError("tags must be strings")
        _check_bucket(dataset["bucket"])
        _unicode("dataset", json.dumps(dataset, ensure_ascii=False))
        return dataset


def parse_metadata(text: str) -> dict[str, str]:
    """Return the metadata of a form field.

    :raises StoreError: if the text is not a JSON object of strings.
    """
    try:
        return _strings(json.loads(text))
    except (ValueError, RecursionError):
        raise StoreError("metadata is not valid JSON") from None


def _strings(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(inner, str) for inner in value.values()):
        raise StoreError("metadata must be an object whose values are strings")
    for key, inner in value.items():
        _unicode("metadata", key + inner)
    return value


def _check_bucket(bucket: Mapping[str, Any]) -> None:
    for name, kind in (("id", int), ("path", str), ("dataItemNamingLevelsDeep", int)):
        value = bucket.get(name)
        if type(value) is not kind or (isinstance(value, int) and abs(value) >= 2**63):
            raise StoreError(f"bucket.{name} is missing or of the wrong type")


def _unicode(name: str, text: str) -> str:
    # JSON can hold half of a surrogate pair, which cannot be encoded as UTF-8.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise StoreError(f"{name} is not valid Unicode") from None
    return text
