"""Reads JSON as Airflow's database holds it. It may be anything: a task of anyone may have pushed it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_ei.results import NUMBERS, Counts, is_number, read_id, read_string

#: Characters of an address as JSON.
MAX_URL_TEXT = 1000


@dataclass(frozen=True)
class Report:
    """What a task instance has reported.

    :ivar error: the first sentence of what it failed with.
    :ivar failures: names of data items, and why; the first ones.
    :ivar odd: names of numbers that are none, or out of all bounds.
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
    """Whose report it is."""

    dataset: str
    organization_id: int | None
    has_written: bool
    kind: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Value:
    """A return value.

    :ivar problem: why it is not there, although there is one; None when it is there, or when there is none.
    """

    content: Any = None
    problem: str | None = None


def read_report(text: str | None) -> Report | None:
    """Read a report; None when it is no report, or not to be read."""
    value = _parse(text)
    if not isinstance(value, Mapping):
        return None
    return Report(
        dataset=read_string(value.get("dataset")),
        organization_id=read_id(value.get("organization_id")),
        kind=read_string(value.get("kind")),
        url=_web_address(value.get("url")),
        has_written=value.get("written") is True,
        counts=Counts.read(value),
        error=read_string(value.get("error")),
        failures=read_failures(value.get("failures")),
        odd=tuple(name for name in NUMBERS if name in value and not is_number(value[name])),
    )


def read_failures(value: object) -> tuple[tuple[str, str], ...]:
    """Read names of data items that have failed, and why."""
    found = [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
    return tuple((read_string(one.get("name")) or "", read_string(one.get("reason")) or "") for one in found)


def read_head(text: str | None) -> Head | None:
    """Read what reports are grouped by; None when it names no dataset."""
    value = _parse(text)
    if not isinstance(value, list) or not value or not (dataset := read_string(value[0])):
        return None
    organization_id, written, kind, url = (*value[1:], None, None, None, None)[:4]
    return Head(dataset, read_id(organization_id), written is True, read_string(kind), _web_address(url))


def read_url(text: str | None) -> str | None:
    """Read an address that may be a link's."""
    return _web_address(_parse(text))


def read_argument(text: str | None, name: str) -> str | None:
    """Read a rendered argument that is a text."""
    value = _parse(text)
    return read_string(value.get(name)) if isinstance(value, Mapping) else None


def read_value(text: str | None, size: int) -> Value:
    """Read a return value.

    :param text: None when it is too large.
    :param size: characters; 0 when there is none.
    """
    if text is None:
        return Value(problem=f"With {size:,} characters it is too large" if size else None)
    try:
        return Value(json.loads(text))
    except (ValueError, RecursionError):
        return Value(problem="It is not JSON, or nested too deep")


def _parse(text: str | None) -> Any:
    return read_value(text, 0).content


def _web_address(value: object) -> str | None:
    """Return what may be a link's address: a connection's host can be anything."""
    if not isinstance(value, str) or len(value) > MAX_URL_TEXT or not value.isprintable():
        return None
    return value if re.fullmatch(r"https?://\S+", value) else None
