"""Asks the service once for what several questions need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from airflow_provider_ei.check.questions import NotKnownError
from airflow_provider_ei.exceptions import EdgeImpulseError

T = TypeVar("T")


class remembered(Generic[T]):
    """A property that is computed once. If that raises an error, each later access raises the same error."""

    def __init__(self, method: Callable[[Any], T]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._key = f"_remembered_{name}"

    def __get__(self, instance: Any, owner: type | None = None) -> T:
        results = vars(instance)
        if self._key not in results:
            try:
                results[self._key] = (self._method(instance), None)
            except (EdgeImpulseError, NotKnownError) as error:
                results[self._key] = (None, error)
        value, problem = results[self._key]
        if problem is not None:
            raise problem
        return value  # type: ignore[no-any-return]
