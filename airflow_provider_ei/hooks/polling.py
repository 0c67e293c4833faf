"""What sensors and triggers wait for, and one look after the other until it is there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.numeric import read_number

if TYPE_CHECKING:
    from airflow_provider_ei.studio.models import DataItem
    from airflow_provider_ei.studio.settings import StudioSettings

log = logging.getLogger(__name__)

#: Seconds after which a request of a :class:`ShortRequestsHook` is given up, whatever the connection allows.
REQUEST_TIMEOUT = 10.0


@dataclass(frozen=True)
class DatasetCriteria:
    """What has to be seen in a dataset.

    :ivar dataset: its name.
    :ivar name: of a data item; None for all of them.
    :ivar filter: SQL-WHERE text of the API, which the data items have to match.
    :ivar at_least: how many complete data items there have to be.
    :ivar quiet_seconds: for how long none has been added.
    :raises EdgeImpulseInputError: when a value is not usable.
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

    def look(self, hook: EdgeImpulseHook) -> Observation:
        """List the data items once (``listOrganizationData``; ``listOrganizationFiles`` for a name).

        :raises EdgeImpulseError: when they cannot be listed.
        """
        if self.name is not None:
            items = hook.find_data_items(self.dataset, self.name)
        else:
            items = hook.list_data_items(self.dataset, filter=self.filter or None)
        return self.evaluate(items, datetime.now(UTC))

    def evaluate(self, items: Sequence[DataItem], now: datetime) -> Observation:
        """Compare the data items with the criteria. One that is still being uploaded does not count as complete."""
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
    """What one look has seen. Two are equal when nothing has changed between them but the time.

    :ivar complete: data items that count.
    :ivar pending: data items that are still being uploaded.
    :ivar newest: when the newest of them was created.
    :ivar met: whether the criteria are met.
    :ivar at: the time of the look.
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
            parts.append(f"{criteria.quiet_seconds:g} s without a new one are needed")
        return f"{', '.join(parts)} ({what})"


class DatasetPoller:
    """Looks at a dataset, and logs what it sees: at first, when it changes, and at the end.

    The connection is read at each look. As long as it stays the same, the client and the organization stay, too.
    """

    def __init__(self, criteria: DatasetCriteria, hook: EdgeImpulseHook) -> None:
        self.criteria = criteria
        self.hook = hook
        self._seen: Observation | None = None

    def look(self) -> Observation:
        """Look once.

        :raises EdgeImpulseError: when the dataset cannot be listed.
        """
        self.hook.reload_connection()
        seen = self.criteria.look(self.hook)
        if seen != self._seen:
            log.info("%s: %s.", "Criteria met" if seen.met else "Waiting", seen)
        self._seen = seen
        return seen

    def last_seen(self) -> str | None:
        """Return in words what was seen last, with its present age; None before the first look."""
        return None if self._seen is None else str(replace(self._seen, at=datetime.now(UTC)))

    def log_last(self) -> None:
        """Log what was seen last, when the waiting ends without the criteria being met."""
        if self._seen is not None and not self._seen.met:
            log.info("Criteria not met. Last seen: %s.", self.last_seen())


class ShortRequestsHook(EdgeImpulseHook):
    """A hook whose requests end soon and are tried once, for callers that must not wait and try again themselves."""

    #: What the connection allows: tries, the base of the back-off between them, and patience with throttling.
    allowed_tries = 1
    base_wait = 0.0
    throttle_patience = 0.0

    def _read_connection(self) -> tuple[StudioSettings, int | None]:
        settings, organization_id = super()._read_connection()
        self.allowed_tries = settings.retry_attempts
        self.base_wait = settings.retry_wait
        self.throttle_patience = settings.throttle_patience
        short = replace(
            settings,
            retry_attempts=1,
            throttle_patience=0.001,
            connect_timeout=min(settings.connect_timeout, REQUEST_TIMEOUT),
            write_timeout=min(settings.write_timeout, REQUEST_TIMEOUT),
            read_timeout=min(settings.read_timeout, REQUEST_TIMEOUT),
        )
        return short, organization_id


def _not_negative(name: str, value: object) -> int | float:
    number = read_number(value)
    if number is None or number < 0:
        raise EdgeImpulseInputError(f"Give {name} as a number that is not negative, not {value!r}.")
    return number


def _in_utc(time: datetime) -> datetime:
    """Return a time with its zone; the API's times are in UTC when they name none."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(int(seconds), 0)} s"
