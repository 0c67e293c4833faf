"""Calls the function of a decorated task."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DecoratedOperator, context_merge, determine_kwargs

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def call_function(operator: DecoratedOperator, context: Context) -> Any:
    """Call the function with its arguments and what it wants of the context, and return what it returns.

    An ``async def`` function is run to its end.
    """
    context_merge(context, operator.op_kwargs)
    arguments = determine_kwargs(operator.python_callable, operator.op_args, context)
    returned = operator.python_callable(*operator.op_args, **arguments)
    return asyncio.run(_result(returned)) if inspect.isawaitable(returned) else returned


async def _result(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
