"""What the service cannot do: known from a check, or noticed by a client."""

from __future__ import annotations

import logging
from typing import Literal

from airflow_provider_ei.studio.known_service import KnownService

log = logging.getLogger(__name__)

Ability = Literal["filters", "file_listing"]

_INSTEAD: dict[Ability, str] = {
    "filters": "Filters do not work here, so whole datasets are listed",
    "file_listing": "Items cannot be listed with their files here, so each item is requested alone",
}


class Abilities:
    """What one client knows about its service.

    Every ability is assumed until a check, or a request, has shown that it is missing.
    """

    def __init__(self, service: KnownService) -> None:
        self._missing: set[Ability] = set()
        if service.filters in ("rejected", "ignored"):
            self._missing.add("filters")
        if service.file_listing in ("missing", "slow"):
            self._missing.add("file_listing")

    def has(self, ability: Ability) -> bool:
        """Return whether the service may have an ability."""
        return ability not in self._missing

    def miss(self, ability: Ability, reason: Exception) -> None:
        """Note that an ability is missing, and log it once."""
        if ability not in self._missing:
            self._missing.add(ability)
            log.warning("%s: %s", _INSTEAD[ability], reason)
