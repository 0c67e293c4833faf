"""Reads JSON from Airflow's database. It may be anything: any task can push it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_ei.results import NUMBERS, Counts, is_number, read_id, read_string

#: Longest URL as JSON, in characters.
MAX_URL_LENGTH = 1000


@dataclass(frozen=True)
class Report:
    """The report of a task instance.

    :ivar error: the first sentence of the error that the task failed with.
    :ivar failures: names of the first data items that failed, and the reasons.
    :ivar odd: names of numbers that are invalid or out of range.
    """

    dataset: str | None
    organization_id: int | None
    kind: str | None
    url: str | None
    has_written: bool
    counts: Counts
    error: str | None
    failures: tuple[tuple[str, str], ...]
    odd: tuple[str, ...]


@dataclass(frozen=True)
class Head:
    """What reports are grouped by, with kind and URL."""

    dataset: str
    organization_id: int | None
    has_written: bool
    kind: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Value:
    """A return value.

    :ivar problem: why an existing value could not be read, or None.
    """

    content: Any = None
    problem: str | None = None


def read_report(text: str | None) -> Report | None:
    """Read a report; None when it is not a report or cannot be read."""
    value = parse_json(text)
    if not isinstance(value, Mapping):
        return None
    return Report(
        dataset=read_string(value.get("dataset")),
        organization_id=read_id(value.get("organization_id")),
        kind=read_string(value.get("kind")),
        url=safe_url(value.get("url")),
        has_written=value.get("written") is True,
        counts=Counts.read(value),
        error=read_string(value.get("error")),
        failures=read_failures(value.get("failures")),
        odd=tuple(name for name in NUMBERS if name in value and not is_number(value[name])),
    )


def read_failures(value: object) -> tuple[tuple[str, str], ...]:
    """Read the names of data items that failed, and the reasons."""
    found = [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
    return tuple((read_string(one.get("name")) or "", read_string(one.get("reason")) or "") for one in found)


def read_head(text: str | None) -> Head | None:
    """Read what reports are grouped by; None without a dataset."""
    value = parse_json(text)
    if not isinstance(value, list) or not value or not (dataset := read_string(value[0])):
        return None
    organization_id, written, kind, url = (*value[1:], None, None, None, None)[:4]
    return Head(dataset, read_id(organization_id), written is True, read_string(kind), safe_url(url))


def read_url(text: str | None) -> str | None:
    """Read a URL that is safe to link to."""
    return safe_url(parse_json(text))


def read_argument(text: str | None, name: str) -> str | None:
    """Read a rendered argument that is a string."""
    value = parse_json(text)
    return read_string(value.get(name)) if isinstance(value, Mapping) else None


def read_value(text: str | None, size: int) -> Value:
    """Read a return value.

    :param text: None when the value is too long or does not exist.
    :param size: number of characters; 0 when the value does not exist.
    """
    if text is None:
        return Value(problem=f"With {size:,} characters it is too long" if size else None)
    try:
        return Value(json.loads(text))
    except (ValueError, RecursionError):
        return Value(problem="It is not JSON, or nested too deeply")


def parse_json(text: str | None) -> Any:
    """Return the value of a JSON string; None when it is not JSON."""
    return read_value(text, 0).content


def safe_url(value: object) -> str | None:
    """Return a URL that is safe to link to, or None: the host of a connection can be anything."""
    if not isinstance(value, str) or len(value) > MAX_URL_LENGTH or not value.isprintable():
        return None
    return value if re.fullmatch(r"https?://\S+", value) else None
