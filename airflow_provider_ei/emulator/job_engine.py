"""The job engine: jobs that wait, run, write log lines and end, by the clock of the emulator."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from airflow_provider_ei.emulator.emulator_clock import EmulatorClock
from airflow_provider_ei.emulator.stored_data import StoreError

JobKind = Literal[
    "retrain",
    "classify",
    "evaluate",
    "build",
    "version",
    "transform",
    "upload",
    "add_dataset",
    "add_folder",
    "refresh",
]
JOB_KINDS: tuple[JobKind, ...] = get_args(JobKind)
JobOutcome = Literal["success", "failure", "unreported"]
JobCancel = Literal["accept", "unreported", "ignore", "refuse"]
LogLevel = Literal["error", "warn", "info", "debug"]

FOREVER = math.inf
"""For :class:`JobPlan`: the job stays as it is until it is cancelled, or until a test ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """The course of a job.

    :param queued_seconds: how long the job waits before it starts; None means ``EmulatorSettings.job_queued_seconds``.
    :param running_seconds: how long it runs; None means ``EmulatorSettings.job_running_seconds``.
    :param outcome: how it ends. ``unreported``: it is finished, but ``finishedSuccessful`` is missing.
    :param log: its log lines, spread evenly over its run. A line that begins with ``error:``, ``warn:`` or ``debug:``
        has that level.
    :param log_lines: the number of log lines, where ``log`` is empty.
    :param cancel: the result of cancelling it: it ends without success, it ends with ``finishedSuccessful`` missing,
        nothing happens in spite of ``success: true``, or an error.
    :raises ValueError: for an invalid value.
    """

    queued_seconds: float | None = None
    running_seconds: float | None = None
    outcome: JobOutcome = "success"
    log: tuple[str, ...] = ()
    log_lines: int = 3
    cancel: JobCancel = "accept"

    def __post_init__(self) -> None:
        for name, values in (("outcome", get_args(JobOutcome)), ("cancel", get_args(JobCancel))):
            if getattr(self, name) not in values:
                raise ValueError(f"{name} must be one of {', '.join(values)}, not {getattr(self, name)!r:.100}")
        for name in ("queued_seconds", "running_seconds"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, (int, float)) and value >= 0):
                raise ValueError(f"{name} must be a number of seconds of 0 or more, not {value!r:.100}")
        if not isinstance(self.log_lines, int) or not 0 <= self.log_lines <= 1_000_000:
            raise ValueError(f"log_lines must be an integer from 0 to 1000000, not {self.log_lines!r:.100}")
        object.__setattr__(self, "log", tuple(self.log))


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a job's log; ``created`` is in seconds since 1970."""

    created: float
    text: str
    level: LogLevel


OnEnd = Callable[[bool, float], None]


@dataclass(slots=True, eq=False)
class Job:
    """A job of a project, or of the organization where ``project_id`` is None. Times are in seconds since 1970.

    :ivar successful: None while the job runs, and if its outcome is not reported.
    :ivar on_end: called when it ends, with whether it has succeeded, and the time.
    """

    id: int
    kind: JobKind
    project_id: int | None
    created: float
    queued_seconds: float
    running_seconds: float
    plan: JobPlan
    on_end: OnEnd = field(repr=False)
    started: float | None = None
    finished: float | None = None
    successful: bool | None = None

    def log(self, now: float) -> list[LogLine]:
        """Return the log lines that the job has written so far, oldest first."""
        if self.started is None:
            return []
        count = len(self.plan.log) or self.plan.log_lines
        duration = 0.0 if math.isinf(self.running_seconds) else self.running_seconds
        end = now if self.finished is None else self.finished
        lines = []
        for number in range(count):
            created = self.started + duration * number / count
            if created > end:
                break
            lines.append(self._line(number, created))
        return lines

    def _line(self, number: int, created: float) -> LogLine:
        if not self.plan.log:
            return LogLine(created, f"[{self.kind}] step {number + 1} of {self.plan.log_lines}\n", "info")
        text = self.plan.log[number]
        for level in get_args(LogLevel):
            if text.startswith(f"{level}:"):
                return LogLine(created, text.removeprefix(f"{level}:").lstrip(), level)
        return LogLine(created, text, "info")


class JobEngine:
    """All jobs. Not safe to use from several threads: the workspace has a lock."""

    def __init__(self, clock: EmulatorClock, default_seconds: Callable[[], tuple[float, float]]) -> None:
        """:param default_seconds: returns for how long jobs without a plan of their own wait and run."""
        self._clock = clock
        self._default_seconds = default_seconds
        self._jobs: dict[int, Job] = {}
        self._active: dict[int, Job] = {}
        self._plans: dict[JobKind, list[JobPlan]] = defaultdict(list)
        self._last_id = 0

    def plan(self, kind: JobKind, plan: JobPlan, count: int) -> None:
        """Give a plan to the next jobs of a kind."""
        if kind not in JOB_KINDS:
            raise ValueError(f"kind must be one of {', '.join(JOB_KINDS)}, not {kind!r:.100}")
        self._plans[kind] += [plan] * count

    def start(self, kind: JobKind, project_id: int | None, on_end: OnEnd, created: float | None = None) -> Job:
        """Create a job.

        :param created: the time if not now, for a job that the end of another one has started.
        """
        plans = self._plans[kind]
        plan = plans.pop(0) if plans else JobPlan()
        queued, running = self._default_seconds()
        self._last_id += 1
        job = Job(
            self._last_id,
            kind,
            project_id,
            self._clock.now() if created is None else created,
            queued if plan.queued_seconds is None else plan.queued_seconds,
            running if plan.running_seconds is None else plan.running_seconds,
            plan,
            on_end,
        )
        self._jobs[job.id] = self._active[job.id] = job
        return job

    def update(self) -> None:
        """Start and end jobs as the clock says, in the order in which they end. The end of a job may start others."""
        now = self._clock.now()
        while True:
            ending: list[tuple[float, int]] = []
            for job in self.active():
                start = job.created + job.queued_seconds
                if job.started is None and start <= now:
                    job.started = start
                if job.started is not None and job.started + job.running_seconds <= now:
                    ending.append((job.started + job.running_seconds, job.id))
            if not ending:
                return
            moment, job_id = min(ending)
            job = self._jobs[job_id]
            self.finish(job, job.plan.outcome, moment)

    def finish(self, job: Job, outcome: JobOutcome, moment: float | None = None) -> None:
        """End a job."""
        self._active.pop(job.id, None)
        job.finished = self._clock.now() if moment is None else moment
        job.started = job.finished if job.started is None else job.started
        job.successful = None if outcome == "unreported" else outcome == "success"
        try:
            job.on_end(outcome == "success", job.finished)
        except StoreError:  # the data have changed meanwhile, so that its result cannot be stored
            job.successful = False

    def cancel(self, job: Job) -> None:
        """Cancel a job.

        :raises StoreError: if it has ended, or its plan refuses.
        """
        if job.finished is not None:
            raise StoreError(f"Job {job.id} is not running")
        if job.plan.cancel == "refuse":
            raise StoreError(f"Job {job.id} cannot be cancelled")
        if job.plan.cancel != "ignore":
            self._stop(job)

    def stop(self, job: Job) -> None:
        """End an active job without success, whatever its plan says."""
        if job.finished is None:
            self._stop(job)

    def _stop(self, job: Job) -> None:
        self._active.pop(job.id, None)
        job.finished = self._clock.now()
        job.successful = None if job.plan.cancel == "unreported" else False
        job.on_end(False, job.finished)

    def find(self, job_id: int, project_id: int | None) -> Job:
        """Return a job of a project, or of the organization.

        :raises StoreError: if it does not exist.
        """
        job = self._jobs.get(job_id)
        if job is None or job.project_id != project_id:
            raise StoreError(f"Unknown job ID {job_id}")
        return job

    def forget(self, job_id: int) -> None:
        """Remove a job: its id is unknown from now on."""
        del self._jobs[job_id]
        self._active.pop(job_id, None)

    def active(self) -> list[Job]:
        """Return the jobs that have not ended, oldest first."""
        return list(self._active.values())

    def all(self) -> list[Job]:
        """Return all jobs, oldest first."""
        return list(self._jobs.values())

    def clear(self) -> None:
        """Remove all jobs and plans. The ids continue."""
        self._jobs.clear()
        self._active.clear()
        self._plans.clear()
