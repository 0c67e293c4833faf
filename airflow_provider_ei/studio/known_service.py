"""What a check of the service has found out about undocumented behavior; see :mod:`airflow_provider_ei.check`.

It is saved in the connection's extra as ``service``. A fact that is missing is not known, and nothing relies on it. The
names and values are those of the emulator's settings, so that the emulator can behave like the checked service.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from airflow_provider_ei.exceptions import EdgeImpulseConfigError

#: How long a client waits for the listing to show what was sent, unless the connection says otherwise.
DEFAULT_SETTLE_SECONDS = 5.0

_HOW_TO = "Save the result of `python -m airflow_provider_ei check --write --save` again, or empty it"


def _fact(*values: object) -> Any:
    """Declare a fact and the values that it may have."""
    return field(default=None, metadata={"values": values})


@dataclass(frozen=True, kw_only=True)
class KnownService:
    """Facts about a service; None stands for an unknown one.

    :ivar checked: the day of the check, as ``YYYY-MM-DD``.
    :ivar listing_delay_seconds: how long a new item is missing in listings.
    """

    checked: str | None = None
    duplicate_names: str | None = _fact("new_id", "reject", "merge")
    metadata_update: str | None = _fact("replace", "merge")
    file_names: str | None = _fact("utf8", "latin1")
    file_folders: str | None = _fact("keep", "drop")
    file_quotes: str | None = _fact("decode", "keep")
    trailing_backslash: str | None = _fact("keep", "drop_file")
    name_form: str | None = _fact("raw", "nfc", "trim", "collapse")
    filters: str | None = _fact("supported", "rejected", "ignored")
    file_listing: str | None = _fact("available", "missing", "slow")
    listing_order: str | None = _fact("oldest", "newest", "name")
    listing_offset: str | None = _fact("honored", "ignored")
    listing_totals: bool | None = _fact(True, False)
    listing_delay_seconds: float | None = None
    wrong_key_status: int | None = _fact(401, 403, 200)
    archive: str | None = _fact("zip", "tar")

    @classmethod
    def of(cls, facts: Mapping[str, object]) -> Self:
        """Return those of the facts that this version knows, with the values that it knows."""
        known: dict[str, Any] = {}
        for each in fields(cls):
            value = facts.get(each.name)
            if value is not None and _is_valid(each.name, each.metadata.get("values"), value):
                known[each.name] = value
        return cls(**known)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read the extra ``service``: a JSON object, or a string with one.

        Facts that this version does not know are ignored; a newer version may have saved them.

        :raises EdgeImpulseConfigError: when it is not a JSON object, or a fact has an impossible value.
        """
        if value is None or value == "":
            return cls()
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = None
        if not isinstance(value, Mapping):
            raise EdgeImpulseConfigError(f"{_HOW_TO}: extra 'service' is not a JSON object.")
        known = cls.of(value)
        for each in fields(cls):
            if value.get(each.name) is not None and getattr(known, each.name) is None:
                raise EdgeImpulseConfigError(
                    f"{_HOW_TO}: extra 'service' has an impossible value for {each.name!r}: {value[each.name]!r}."
                )
        return known

    @property
    def settle_seconds(self) -> float | None:
        """How long to wait until the listing shows what was sent; None if the default is long enough."""
        delay = 2 * (self.listing_delay_seconds or 0.0)
        return delay if delay > DEFAULT_SETTLE_SECONDS else None

    def facts(self) -> dict[str, Any]:
        """Return the known facts by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


NOTHING_KNOWN = KnownService()


def _is_valid(name: str, values: tuple[object, ...] | None, value: object) -> bool:
    if name == "checked":
        return isinstance(value, str) and len(value) <= 40
    if values is None:  # listing_delay_seconds
        return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 3600
    return any(type(value) is type(one) and value == one for one in values)
