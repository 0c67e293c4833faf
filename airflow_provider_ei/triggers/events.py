"""Event triggers for an ``AssetWatcher`` of Airflow 3: a change in Edge Impulse starts a DAG.

A trigger looks at what it watches at intervals, and compares it with its cursor: the state that it has reported last.
Since each look sees the whole state, no change is missed because a look failed or no triggerer was running.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Hashable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

try:
    from airflow.triggers.base import BaseEventTrigger, TriggerEvent
except ImportError:
    raise ImportError(
        "Use a sensor of airflow_provider_ei.sensors, or Airflow 3: event triggers need AssetWatcher, which this "
        "version of Airflow does not have."
    ) from None

from airflow_provider_ei.exceptions import (
    MAX_RETRY_WAIT,
    EdgeImpulseError,
    EdgeImpulseInputError,
    EdgeImpulseServiceError,
)
from airflow_provider_ei.hooks.connected import ConnectedHook
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.numeric import read_number
from airflow_provider_ei.polling.changes import ChangeTracker, DatasetState, ProjectState, is_work_of_a_job
from airflow_provider_ei.triggers.cursor import CursorStore
from airflow_provider_ei.triggers.hook_calls import call_hook
from airflow_provider_ei.triggers.short_requests import ShortRequestsHook, ShortRequestsProjectHook
from airflow_provider_ei.triggers.threads import TRIGGER_THREADS

if TYPE_CHECKING:
    from airflow_provider_ei.studio.api.organizations import DatasetTotals

    _Datasets = tuple[int, list[DatasetTotals]]  # with the organization

log = logging.getLogger(__name__)

#: Longest interval between looks that fail, in seconds, unless ``poll_interval`` is longer.
MAX_INTERVAL = 900.0

#: Seconds after an event before the cursor is stored. Airflow stores events once a second; a cursor that is stored
#: before its event would lose the event if the triggerer ended in between.
SAVE_AFTER_SECONDS = 10.0

_HookT = TypeVar("_HookT", bound=ConnectedHook)
_Seen = TypeVar("_Seen")
_StateT = TypeVar("_StateT", DatasetState, ProjectState)
_Result = TypeVar("_Result")


class _ChangedTrigger(BaseEventTrigger, Generic[_HookT, _Seen, _StateT]):
    """Base of the event triggers.

    :param poll_interval: seconds between two looks; while looks fail, up to 15 minutes.
    :param quiet_seconds: report a change only when nothing more has changed for so long, for instance until an upload
        has ended. 0: report a change as soon as it is seen.
    """

    _state_class: ClassVar[type[Any]]

    def __init__(self, *, poll_interval: float = 60.0, quiet_seconds: float = 0.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_interval = _seconds("poll_interval", poll_interval, 0.01)
        self.quiet_seconds = _seconds("quiet_seconds", quiet_seconds, 0)
        self._hook: _HookT | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that create this trigger again. None of them is secret."""
        arguments = {"poll_interval": self.poll_interval, "quiet_seconds": self.quiet_seconds}
        return f"{type(self).__module__}.{type(self).__qualname__}", self._watched() | arguments

    @abstractmethod
    def _watched(self) -> dict[str, Any]:
        """Return the arguments that say what is watched."""

    @abstractmethod
    def _create_hook(self) -> _HookT:
        """Return a hook for the looks."""

    @abstractmethod
    def _look(self, hook: _HookT) -> _Seen:
        """Look at the service, in a thread; what is seen serves all triggers with the same ``shared_stream_key``."""

    @abstractmethod
    def _state_of(self, seen: _Seen) -> _StateT:
        """Return the state of what this trigger watches."""

    @abstractmethod
    def _payload(self, seen: _Seen, before: _StateT | None, now: _StateT) -> dict[str, Any]:
        """Return the payload of an event. It contains no secret."""

    async def _is_expected(self, before: _StateT, now: _StateT) -> bool | None:
        """Return whether a change needs no event; None when that cannot be told yet."""
        return False

    # --- what the triggerer calls -------------------------------------------------------------------------

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each change; where Airflow cannot share a look among triggers."""
        async for event in self._events(self._looks()):
            yield event

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Any]:
        """Yield what each look sees, for all triggers that share the looks."""
        async for seen in cls(**kwargs)._looks():
            yield seen

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each change of what this trigger watches."""
        async for event in self._events(shared_stream):
            yield event

    # --- looks --------------------------------------------------------------------------------------------

    async def _looks(self) -> AsyncIterator[_Seen]:
        """Yield what each look sees. Errors never end it: each is logged once, and the intervals grow."""
        failures = 0
        with TRIGGER_THREADS:
            while True:
                wait = self.poll_interval
                try:
                    seen = await self._call(self._look)
                except EdgeImpulseError as error:
                    failures += 1
                    wait = self._wait_after(error, failures)
                    log.error("%s was not looked at. Looking again in %.0f s. %s", self._name(), wait, error)
                else:
                    if failures:
                        log.info("%s is seen again, after %d failed looks.", self._name(), failures)
                    failures = 0
                    yield seen
                await asyncio.sleep(wait)

    def _wait_after(self, error: EdgeImpulseError, failures: int) -> float:
        wait = min(self.poll_interval * 2.0 ** min(failures, 32), max(self.poll_interval, MAX_INTERVAL))
        requested = error.requested_wait if isinstance(error, EdgeImpulseServiceError) else 0.0
        return max(wait, min(requested, MAX_RETRY_WAIT))

    async def _call(self, call: Callable[[_HookT], _Result]) -> _Result:
        """Call a function with the hook. The connection is read each time, so that a new key is used at once."""
        hook = self._hook = self._hook or self._create_hook()

        def run(hook: _HookT) -> _Result:
            hook.reload_connection()
            return call(hook)

        try:
            return await call_hook(hook, run, f"a look at {self._name()}")
        except BaseException:
            self._hook = None
            raise

    def _name(self) -> str:
        return ", ".join(f"{name} {value!r}" for name, value in self._watched().items() if value is not None)

    # --- events -------------------------------------------------------------------------------------------

    async def _events(self, looks: AsyncIterator[_Seen]) -> AsyncIterator[TriggerEvent]:
        cursors = CursorStore(getattr(self, "asset_state_store", None), f"{type(self).__name__} {self._watched()}")
        tracker: ChangeTracker[_StateT] | None = None
        saved: _StateT | None = None
        save_at = 0.0
        with TRIGGER_THREADS:
            async for seen in looks:
                state = self._state_of(seen)
                if tracker is None:
                    try:
                        before = await self._load(cursors, state)
                    except Exception as error:
                        log.error("The cursor of %s cannot be read: %r", self._name(), error)
                        continue  # nothing is compared before it is known what was reported last
                    tracker = ChangeTracker(before or state, self.quiet_seconds)
                    saved = None if before is state else before
                    if before is None:
                        yield self._event(seen, None, state)
                        save_at = time.monotonic() + SAVE_AFTER_SECONDS
                if tracker.see(state, time.monotonic()):
                    before = tracker.cursor
                    try:
                        expected = await self._is_expected(before, state)
                    except EdgeImpulseError as error:
                        log.error("A change of %s is looked at again later: %s", self._name(), error)
                        continue
                    if expected is None:
                        continue
                    if not expected:
                        yield self._event(seen, before, state)
                        save_at = time.monotonic() + SAVE_AFTER_SECONDS
                    tracker.move_to(state)
                if tracker.cursor != saved and time.monotonic() >= save_at:
                    try:
                        await cursors.save(tracker.cursor.to_json())
                        saved = tracker.cursor
                    except Exception as error:
                        log.error("The cursor of %s cannot be stored yet: %r", self._name(), error)

    async def _load(self, cursors: CursorStore, state: _StateT) -> _StateT | None:
        """Return what was reported last; the state itself at the very first look, whose changes count from now on.

        :return: None when that is not known: Airflow keeps no cursor, or the stored one cannot be used. Then an event
            is sent, since something may have changed while no trigger was running.
        """
        stored = await cursors.load()
        if stored is None:
            log.info("Watching %s: %s.", self._name(), state)
            return state if cursors.is_durable else None
        try:
            cursor: _StateT = self._state_class.from_json(stored)
        except ValueError as error:
            log.warning("The stored cursor of %s cannot be used: it is %s.", self._name(), error)
            return None
        log.info("Watching %s, which was reported last as %s.", self._name(), cursor)
        return cursor

    def _event(self, seen: _Seen, before: _StateT | None, now: _StateT) -> TriggerEvent:
        payload = self._payload(seen, before, now)
        states = {"before": None if before is None else before.to_json(), "now": now.to_json()}
        return TriggerEvent(payload | states)  # type: ignore[no-untyped-call]


class EdgeImpulseDatasetChangedTrigger(_ChangedTrigger[ShortRequestsHook, "_Datasets", DatasetState]):
    """Send an event when the totals of a dataset change: its items, its files, their size, or its newest file.

    A change of metadata or names does not change the totals and is not seen. All triggers with the same connection,
    organization and interval share one request per interval, ``getOrganizationInfo``, whatever their datasets. A
    dataset that does not exist counts as empty, so that its creation is a change.

    The payload has ``dataset``, ``organization_id``, and the totals ``before`` and ``now``.

    :param dataset: name of the dataset.
    :param organization_id: overrides that of the connection.
    :param edge_impulse_conn_id: the Airflow connection.
    :param poll_interval: seconds between two looks; while looks fail, up to 15 minutes.
    :param quiet_seconds: report a change only when nothing more has changed for so long, for instance until an upload
        has ended. 0: report a change as soon as it is seen.
    """

    _state_class = DatasetState

    def __init__(
        self,
        *,
        dataset: str,
        organization_id: int | str | None = None,
        edge_impulse_conn_id: str = EdgeImpulseHook.default_conn_name,
        poll_interval: float = 60.0,
        quiet_seconds: float = 0.0,
    ) -> None:
        super().__init__(poll_interval=poll_interval, quiet_seconds=quiet_seconds)
        if not isinstance(dataset, str) or not dataset.strip():
            raise EdgeImpulseInputError(f"dataset must be a non-empty string, not {dataset!r}.")
        self.dataset = dataset
        self.organization_id = organization_id
        self.edge_impulse_conn_id = edge_impulse_conn_id

    def _watched(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "organization_id": self.organization_id,
            "edge_impulse_conn_id": self.edge_impulse_conn_id,
        }

    def shared_stream_key(self) -> Hashable:
        """Return what triggers have in common that share their looks: not the dataset."""
        return "edge_impulse_organization", self.edge_impulse_conn_id, str(self.organization_id), self.poll_interval

    def _create_hook(self) -> ShortRequestsHook:
        return ShortRequestsHook(self.edge_impulse_conn_id, organization_id=self.organization_id)

    def _look(self, hook: ShortRequestsHook) -> _Datasets:
        return hook.organization_id, hook.organization_api.list_datasets()

    def _state_of(self, seen: _Datasets) -> DatasetState:
        return DatasetState.of(self.dataset, seen[1])

    def _payload(self, seen: _Datasets, before: DatasetState | None, now: DatasetState) -> dict[str, Any]:
        return {"dataset": self.dataset, "organization_id": seen[0]}


class EdgeImpulseProjectChangedTrigger(
    _ChangedTrigger[ShortRequestsProjectHook, tuple[int, ProjectState], ProjectState]
):
    """Send an event when samples are added to a project or deleted, or the project is changed in another way.

    Samples are counted in the training and the test set (``countSamples``). Any other change, such as a new label, is
    seen by the time of the last one (``getProjectLastModificationDate``), where the service reports it, unless a job of
    the project was running: the DAG that an event starts runs jobs, and must not start itself again. All triggers with
    the same connection, project and interval share their requests, three per interval.

    The payload has ``project_id``, ``changed`` (``samples`` or ``project``), and the states ``before`` and ``now``.

    :param project_id: overrides that of the connection.
    :param edge_impulse_project_conn_id: the Airflow connection.
    :param poll_interval: seconds between two looks; while looks fail, up to 15 minutes.
    :param quiet_seconds: report a change only when nothing more has changed for so long, for instance until an upload
        has ended. 0: report a change as soon as it is seen.
    """

    _state_class = ProjectState

    def __init__(
        self,
        *,
        project_id: int | str | None = None,
        edge_impulse_project_conn_id: str = EdgeImpulseProjectHook.default_conn_name,
        poll_interval: float = 60.0,
        quiet_seconds: float = 0.0,
    ) -> None:
        super().__init__(poll_interval=poll_interval, quiet_seconds=quiet_seconds)
        self.project_id = project_id
        self.edge_impulse_project_conn_id = edge_impulse_project_conn_id

    def _watched(self) -> dict[str, Any]:
        return {
            "project_id": self.project_id,
            "edge_impulse_project_conn_id": self.edge_impulse_project_conn_id,
        }

    def shared_stream_key(self) -> Hashable:
        """Return what triggers have in common that share their looks."""
        return "edge_impulse_project", self.edge_impulse_project_conn_id, str(self.project_id), self.poll_interval

    def _create_hook(self) -> ShortRequestsProjectHook:
        return ShortRequestsProjectHook(self.edge_impulse_project_conn_id, self.project_id)

    def _look(self, hook: ShortRequestsProjectHook) -> tuple[int, ProjectState]:
        return hook.project_id, ProjectState.read(hook.project_api)

    def _state_of(self, seen: tuple[int, ProjectState]) -> ProjectState:
        return seen[1]

    def _payload(
        self, seen: tuple[int, ProjectState], before: ProjectState | None, now: ProjectState
    ) -> dict[str, Any]:
        changed = "project" if before is not None and now.has_same_samples(before) else "samples"
        return {"project_id": seen[0], "changed": changed}

    async def _is_expected(self, before: ProjectState, now: ProjectState) -> bool | None:
        if not now.has_same_samples(before) or now.last_modified is None:
            return False
        return await self._call(lambda hook: is_work_of_a_job(now.last_modified, hook.jobs_api))


def _seconds(field: str, value: object, least: float) -> float:
    number = read_number(value)
    if number is None or number < least:
        raise EdgeImpulseInputError(f"{field} must be a number of at least {least:g}, not {value!r}.")
    return float(number)
