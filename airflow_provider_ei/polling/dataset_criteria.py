"""Criteria that a dataset must meet before a sensor or a trigger ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.numeric import read_number

if TYPE_CHECKING:
    from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
    from airflow_provider_ei.studio.models import DataItem


@dataclass(frozen=True)
class DatasetCriteria:
    """Criteria that a dataset must meet.

    :ivar dataset: name of the dataset.
    :ivar name: name of a data item; None for all data items.
    :ivar filter: count only data items that match this condition of an SQL ``WHERE`` clause.
    :ivar at_least: minimum number of complete data items.
    :ivar quiet_seconds: minimum number of seconds since the newest data item was added.
    :raises EdgeImpulseInputError: when a value is invalid.
    """

    dataset: str
    name: str | None = None
    filter: str | None = None
    at_least: int = 1
    quiet_seconds: float = 0.0

    def __post_init__(self) -> None:
        from airflow_provider_ei.sources.names import check_text  # not while a DAG file is parsed

        object.__setattr__(self, "dataset", check_text("dataset", self.dataset))
        if self.name is not None:
            object.__setattr__(self, "name", check_text("name", self.name))
        if self.filter is not None and not isinstance(self.filter, str):
            raise EdgeImpulseInputError(f"Give filter as a string, not {type(self.filter).__name__}: {self.filter!r}.")
        at_least = _not_negative("at_least", self.at_least)
        if at_least != int(at_least):
            raise EdgeImpulseInputError(f"Give at_least as a whole number, not {self.at_least!r}.")
        object.__setattr__(self, "at_least", int(at_least))
        object.__setattr__(self, "quiet_seconds", float(_not_negative("quiet_seconds", self.quiet_seconds)))

    def observe(self, hook: EdgeImpulseHook) -> Observation:
        """List the data items once (``listOrganizationData``; ``listOrganizationFiles`` for a name).

        :raises EdgeImpulseError: when they cannot be listed.
        """
        if self.name is not None:
            items = hook.find_data_items(self.dataset, self.name)
        else:
            items = hook.list_data_items(self.dataset, filter=self.filter or None)
        return self.evaluate(items, datetime.now(UTC))

    def evaluate(self, items: Sequence[DataItem], now: datetime) -> Observation:
        """Evaluate the criteria for listed data items. An item that is still being uploaded is not complete."""
        from airflow_provider_ei.sync.item_state import ItemState

        pending = sum((state := ItemState.of(item)) is not None and not state.complete for item in items)
        newest = max((_in_utc(item.created) for item in items), default=None)
        quiet = newest is None or (now - newest).total_seconds() >= self.quiet_seconds
        return Observation(
            criteria=self,
            complete=len(items) - pending,
            pending=pending,
            newest=newest,
            met=len(items) - pending >= self.at_least and not pending and quiet,
            at=now,
        )


@dataclass(frozen=True)
class Observation:
    """The result of one listing. Two observations are equal if only the times of the listings differ.

    :ivar complete: number of complete data items.
    :ivar pending: number of data items that are still being uploaded.
    :ivar newest: when the newest data item was created.
    :ivar met: whether the criteria are met.
    :ivar at: when the data items were listed.
    """

    criteria: DatasetCriteria
    complete: int
    pending: int
    newest: datetime | None
    met: bool
    at: datetime = field(compare=False)

    def __str__(self) -> str:
        criteria = self.criteria
        what = f"dataset {criteria.dataset!r}" + (f", name {criteria.name!r}" if criteria.name is not None else "")
        parts = [f"{self.complete} of {criteria.at_least} items"]
        if self.pending:
            parts.append(f"{self.pending} still being uploaded")
        if self.newest is not None:
            parts.append(f"newest {_age((self.at - self.newest).total_seconds())} ago")
        if criteria.quiet_seconds:
            parts.append(f"{criteria.quiet_seconds:g} s without a new item required")
        return f"{', '.join(parts)} ({what})"


def _not_negative(name: str, value: object) -> int | float:
    number = read_number(value)
    if number is None or number < 0:
        raise EdgeImpulseInputError(f"Give {name} as a number of at least 0, not {value!r}.")
    return number


def _in_utc(time: datetime) -> datetime:
    """Return an aware time. The API's times without a time zone are in UTC."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(int(seconds), 0)} s"
