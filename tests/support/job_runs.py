"""Run the operator of a job as Airflow does: in a worker, or deferred with its trigger and another worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

MakeOperator = Callable[[], Any]
Mode = Callable[[MakeOperator, Any], Any]


class TaskInstance:
    """What operators use of a task instance: ids, and XComs of this run and of earlier ones."""

    try_number = 1
    map_index = -1
    run_id = "manual__1"

    def __init__(self, last_result: Any = None) -> None:
        self.last_result = last_result
        self.pushed: dict[str, Any] = {}
        self.stats_tags: dict[str, str] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = json.loads(json.dumps(value))

    def xcom_pull(self, *, task_ids: str, map_indexes: int, include_prior_dates: bool) -> Any:
        assert include_prior_dates and map_indexes == self.map_index
        return self.last_result


def in_worker(make: MakeOperator, context: Any) -> Any:
    """Run a new operator in a worker."""
    return make().execute(context)


def deferred(make: MakeOperator, context: Any) -> Any:
    """Run a new operator in a worker, its trigger, and another operator in another worker; that may defer again."""
    operator = make()
    operator.deferrable = True
    call: Callable[..., Any] = operator.execute
    arguments: dict[str, Any] = {}
    while True:
        try:
            return call(context, **arguments)
        except TaskDeferred as deferral:
            assert deferral.timeout is None
            _, given = deferral.trigger.serialize()
            trigger = type(deferral.trigger)(**json.loads(json.dumps(given)))
            event = json.loads(json.dumps(asyncio.run(event_of(trigger))))
            again = make()
            again.deferrable = True
            call = getattr(again, deferral.method_name)
            arguments = {"event": event, **json.loads(json.dumps(deferral.kwargs or {}))}


async def event_of(trigger: Any) -> Any:
    """Return the payload of a trigger's first event."""
    return (await anext(trigger.run())).payload


both_modes = pytest.mark.parametrize("mode", [in_worker, deferred])
