"""Waits for a dataset in the triggerer, in the place of a sensor that would hold a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.sensors.condition import Condition


class EdgeImpulseDatasetTrigger(BaseTrigger):
    """Asks again and again until a condition is met.

    It remembers nothing, so a triggerer that is started anew goes on with it. The requests are made in a thread: the
    triggerer's loop is never held up.

    :param condition: the fields of :class:`~airflow_provider_ei.sensors.condition.Condition`.
    :param poke_interval: seconds between two looks.
    :param organization_id: overrides that of the connection.
    :param edge_impulse_conn_id: the Airflow connection.
    """

    def __init__(
        self,
        *,
        condition: dict[str, Any],
        poke_interval: float,
        organization_id: int | str | None = None,
        edge_impulse_conn_id: str = EdgeImpulseHook.default_conn_name,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.condition = Condition(**condition)
        self.poke_interval = poke_interval
        self.organization_id = organization_id
        self.edge_impulse_conn_id = edge_impulse_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what makes this trigger anew."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "condition": asdict(self.condition),
                "poke_interval": self.poke_interval,
                "organization_id": self.organization_id,
                "edge_impulse_conn_id": self.edge_impulse_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: that the condition is met, or the error that ends the waiting."""
        hook = EdgeImpulseHook(self.edge_impulse_conn_id, organization_id=self.organization_id)
        try:
            while not await asyncio.to_thread(self.condition.ask, hook):
                await asyncio.sleep(self.poke_interval)
        except EdgeImpulseError as error:
            yield TriggerEvent({"error": str(error), "permanent": error.permanent})  # type: ignore[no-untyped-call]
        else:
            yield TriggerEvent({"met": True})  # type: ignore[no-untyped-call]
        finally:
            hook.cancel()  # a thread that is still asking, when the triggerer is told to stop
