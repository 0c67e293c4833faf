"""Polls a dataset or the samples of a project, for sensors in a worker and for triggers in the triggerer."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from airflow_provider_ei.hooks.connected import ConnectedHook

log = logging.getLogger(__name__)


class Observation(Protocol):
    """What one poll has seen: a dataclass. Two are equal if only their times differ; ``str()`` describes one."""

    @property
    def met(self) -> bool:
        """Whether the criteria are met."""

    @property
    def at(self) -> datetime:
        """When the poll was made."""


class Criteria(Protocol):
    """Criteria of a sensor: a dataclass of JSON values."""

    def observe(self, hook: Any) -> Observation:
        """Compare what the service has with the criteria.

        :raises EdgeImpulseError: when it cannot be read.
        """


class Poller:
    """Polls until criteria are met, and logs the first observation, every change, and the end.

    Reads the Airflow connection before each poll. Keeps the client, and the organization or project, while it is
    unchanged.
    """

    def __init__(self, criteria: Criteria, hook: ConnectedHook) -> None:
        self.criteria = criteria
        self.hook = hook
        self._last: Observation | None = None

    def poll(self) -> Observation:
        """Observe once.

        :raises EdgeImpulseError: when the service cannot be read.
        """
        self.hook.reload_connection()
        observation = self.criteria.observe(self.hook)
        if observation != self._last:
            log.info("%s: %s.", "Criteria met" if observation.met else "Waiting", observation)
        self._last = observation
        return observation

    def describe_last(self) -> str | None:
        """Return the last observation as a string, with ages as of now; None before the first observation."""
        return None if self._last is None else str(replace(self._last, at=datetime.now(UTC)))  # type: ignore[type-var]

    def log_last(self) -> None:
        """Log the last observation if the wait ended before the criteria were met."""
        if self._last is not None and not self._last.met:
            log.info("Criteria not met. Last seen: %s.", self.describe_last())
