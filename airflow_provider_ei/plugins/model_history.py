"""A project's model, as the page shows it: its tests, its builds, and what is out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from airflow_provider_ei.operators.model_report import BUILD, RETRAIN, TEST, VERSION
from airflow_provider_ei.plugins.model_reports import ModelReport, ReportedJob

#: Jobs of a project that are listed, and tests in its chart.
MAX_JOBS = 20
MAX_TESTS = 20

#: What the page calls a job of each kind.
KIND_NAMES = {RETRAIN: "training", TEST: "test", VERSION: "version", BUILD: "build"}


@dataclass(frozen=True)
class ModelJob:
    """A job of a project, with its report."""

    job: ReportedJob
    report: ModelReport

    @property
    def name(self) -> str:
        """What the page calls it."""
        return KIND_NAMES.get(self.report.kind or "", "job")

    @property
    def state(self) -> str:
        """State of the job, named as Airflow names states of tasks."""
        if self.report.error is not None:
            return "failed"
        return "success" if self.report.has_ended else "running"


@dataclass
class ModelHistory:
    """A project whose jobs this Airflow has run, newest first."""

    project_id: int
    jobs: list[ModelJob] = field(default_factory=list)

    @property
    def newest(self) -> ModelJob:
        """The newest job, whatever became of it."""
        return self.jobs[0]

    @cached_property
    def tests(self) -> Sequence[ModelJob]:
        """The newest tests that found an accuracy, also of models that were not accepted."""
        return [one for one in self.jobs if one.report.kind == TEST and one.report.accuracy is not None][:MAX_TESTS]

    @property
    def training(self) -> ModelJob | None:
        """The last training."""
        return self._last(RETRAIN)

    @property
    def version(self) -> ModelJob | None:
        """The last version."""
        return self._last(VERSION)

    @property
    def build(self) -> ModelJob | None:
        """The last build."""
        return self._last(BUILD)

    @property
    def out(self) -> ModelJob | None:
        """The last build whose file was downloaded."""
        return next((one for one in self._done(BUILD) if one.report.path is not None), None)

    @property
    def tested_before_out(self) -> ModelJob | None:
        """The last test before the build that is out."""
        out = self.out
        return next((one for one in self.tests if out is not None and one.job.when <= out.job.when), None)

    @property
    def url(self) -> str | None:
        """The project's page in Studio."""
        found = (re.match(r"(https?://.*/studio/\d+)/", one.report.url or "") for one in self.jobs)
        return next((one[1] for one in found if one), None)

    def _done(self, kind: str) -> Iterable[ModelJob]:
        return (one for one in self.jobs if one.report.kind == kind and one.report.has_succeeded)

    def _last(self, kind: str) -> ModelJob | None:
        return next(iter(self._done(kind)), None)


def group_by_project(jobs: Iterable[ReportedJob]) -> list[ModelHistory]:
    """Return the projects, the one with the newest job first.

    :param jobs: newest first.
    """
    found: dict[int, ModelHistory] = {}
    for job in jobs:
        if job.report is not None and job.report.project_id is not None:
            history = found.setdefault(job.report.project_id, ModelHistory(job.report.project_id))
            history.jobs.append(ModelJob(job, job.report))
    return list(found.values())
