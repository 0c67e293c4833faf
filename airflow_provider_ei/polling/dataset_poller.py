"""Polls a dataset, for sensors in a worker and for triggers in the triggerer."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_ei.polling.dataset_criteria import DatasetCriteria, Observation

if TYPE_CHECKING:
    from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook

log = logging.getLogger(__name__)


class DatasetPoller:
    """Lists a dataset until its criteria are met, and logs the first observation, every change, and the end.

    Reads the Airflow connection before each listing. Keeps the client and the organization while it is unchanged.
    """

    def __init__(self, criteria: DatasetCriteria, hook: EdgeImpulseHook) -> None:
        self.criteria = criteria
        self.hook = hook
        self._last: Observation | None = None

    def poll(self) -> Observation:
        """List the data items once and compare them with the criteria.

        :raises EdgeImpulseError: when the dataset cannot be listed.
        """
        self.hook.reload_connection()
        observation = self.criteria.observe(self.hook)
        if observation != self._last:
            log.info("%s: %s.", "Criteria met" if observation.met else "Waiting", observation)
        self._last = observation
        return observation

    def describe_last(self) -> str | None:
        """Return the last observation as a string, with ages as of now; None before the first observation."""
        return None if self._last is None else str(replace(self._last, at=datetime.now(UTC)))

    def log_last(self) -> None:
        """Log the last observation if the wait ended before the criteria were met."""
        if self._last is not None and not self._last.met:
            log.info("Criteria not met. Last seen: %s.", self.describe_last())
