"""Names in the return value of a task. The value may be anything: any task can push it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airflow_provider_ei.plugins.stored_values import read_failures
from airflow_provider_ei.results import PLANNED_ACTIONS, Result, read_result, read_string


@dataclass(frozen=True)
class Names:
    """A list of data items with a title."""

    title: str
    names: list[str]


@dataclass(frozen=True)
class Details:
    """What the tab shows about one task instance.

    :ivar lists: names of the items that changed, or would change.
    :ivar failures: names of data items that failed, and the reasons.
    :ivar uploads: results of single data items.
    """

    lists: tuple[Names, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    uploads: tuple[Result, ...] = ()
    sync_id: str | None = None


def read_details(value: object) -> Details:
    """Read a return value of any content."""
    if isinstance(value, list):
        return Details(uploads=tuple(result for one in value if (result := _upload(one))))
    if not isinstance(value, Mapping):
        return Details()
    result = _upload(value)
    return Details(
        lists=tuple(names for names in _lists(value) if names.names),
        failures=read_failures(value.get("failures")),
        uploads=(result,) if result else (),
        sync_id=read_string(value.get("sync_id")),
    )


def _upload(value: object) -> Result | None:
    result = read_result(value) if isinstance(value, Mapping) else None
    return result if result and not result.is_sync else None


def _lists(value: Mapping[str, object]) -> Iterator[Names]:
    yield Names("Changed data items", _strings(value.get("changed")))
    plan = value.get("plan")
    if isinstance(plan, Mapping):
        for action in PLANNED_ACTIONS:
            yield Names(f"Would be {action.removesuffix('e')}ed", _strings(plan.get(action)))


def _strings(value: object) -> list[str]:
    return [text for one in value if (text := read_string(one)) is not None] if isinstance(value, list) else []
