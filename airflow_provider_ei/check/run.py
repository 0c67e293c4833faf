"""Runs a check: asks all questions of a group, and deletes whatever was made for that."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from airflow_provider_ei.check import (
    connection_questions,
    item_questions,
    listing_questions,
    name_questions,
    network_questions,
    project_questions,
)
from airflow_provider_ei.check.cleanup import Leftover, clean
from airflow_provider_ei.check.organization import OrganizationUnderCheck
from airflow_provider_ei.check.project_questions import ProjectUnderCheck
from airflow_provider_ei.check.questions import Answer, NotKnownError, ask_all, not_asked
from airflow_provider_ei.check.signals import finish_first
from airflow_provider_ei.check.trial import Trial
from airflow_provider_ei.check.trial_items import mark_of
from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.known_service import KnownService
from airflow_provider_ei.studio.settings import StudioSettings

_NEEDS_WRITE = "it takes --write"
_NEEDS_KEY = "the key cannot be used for that"


@dataclass(frozen=True)
class Report:
    """The answers of a check, by group.

    :ivar wrote: whether it has made data items.
    :ivar left: data items of the check that still exist.
    """

    kind: Literal["organization", "project"]
    wrote: bool
    groups: dict[str, list[Answer]]
    left: list[Leftover] = field(default_factory=list)

    @property
    def answers(self) -> dict[str, Answer]:
        """All answers by the id of their question."""
        return {answer.id: answer for answers in self.groups.values() for answer in answers}

    @property
    def usable(self) -> bool:
        """Whether the key is of the right kind, and may read."""
        answers = self.answers
        return answers["key"].value == self.kind and answers["reads"].value is True

    def known_service(self) -> KnownService:
        """Return what is worth saving in the connection."""
        facts = {name: answer.value for name, answer in self.answers.items()}
        if facts.get("filters") == "wrong":
            facts["filters"] = "rejected"  # both mean: list everything
        if facts.get("name_form") != facts.get("file_name_form"):
            facts["name_form"] = None
        return KnownService.of(facts | {"checked": datetime.now(UTC).date().isoformat()})


class OrganizationCheck:
    """The check of an organization.

    :param organization_id: that of the connection; None for the key's own.
    :param dataset: the dataset to list; None for all data. With ``write``, the listing of the check's own is asked.
    :param say: tells the person what happens.
    :ivar left: data items of the check that still exist; also known after an interruption.
    """

    def __init__(
        self,
        settings: StudioSettings,
        organization_id: int | None = None,
        dataset: str | None = None,
        *,
        say: Callable[[str], object] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._arguments: dict[str, Any] = {"clock": clock, "sleep": sleep}
        self._given = (settings, organization_id, dataset)
        self._say = say
        self.left: list[Leftover] = []

    def run(self, *, write: bool) -> Report:
        """Ask all questions; without ``write``, only those that take no change.

        :raises KeyboardInterrupt: after everything was deleted, when the check was interrupted.
        """
        with OrganizationUnderCheck(*self._given, **self._arguments) as service:
            groups = {"connection": _ask_connection(service)}
            usable = Report("organization", write, groups).usable
            if not usable:
                names = not_asked(name_questions.QUESTIONS, _NEEDS_KEY)
                items = not_asked(item_questions.QUESTIONS, _NEEDS_KEY)
                listings = not_asked(listing_questions.QUESTIONS, _NEEDS_KEY)
            elif write:
                names, items, listings = self._with_trial(service)
            else:
                names = not_asked(name_questions.QUESTIONS, _NEEDS_WRITE)
                items = not_asked(item_questions.QUESTIONS, _NEEDS_WRITE)
                listings = ask_all(listing_questions.QUESTIONS, service)
            groups["network"] = ask_all(network_questions.QUESTIONS, service)
            groups |= {"listing": listings, "names": names, "items": items}
        return Report("organization", write and usable, groups, self.left)

    def clean(self, dataset: str | None = None) -> list[str]:
        """Delete what earlier checks have left, and return the datasets that were cleaned.

        :param dataset: only this one.
        :raises EdgeImpulseError: when the datasets cannot be listed.
        :raises NotKnownError: when the service does not list them.
        """
        with OrganizationUnderCheck(*self._given, **self._arguments) as service:
            datasets = [dataset] if dataset else _datasets(service)
            datasets = [name for name in datasets if mark_of(name) is not None]
            for name in datasets:
                with (
                    finish_first(lambda: self._say("Still deleting. Press Ctrl-C again to leave the rest.")),
                    service.patient_client() as client,
                ):
                    self.left += clean(OrganizationDataApi(client, service.organization_id), name)
        return datasets

    def _with_trial(self, service: OrganizationUnderCheck) -> tuple[list[Answer], list[Answer], list[Answer]]:
        trial = Trial(service)
        self._say(f"Creating data items in dataset {trial.dataset}; they are deleted at the end.")
        try:
            try:
                delay = trial.listing_delay  # before anything else: it begins with the first item
            except (EdgeImpulseError, NotKnownError):
                delay = 0.0
            names = ask_all(name_questions.QUESTIONS, trial)
            items = ask_all(item_questions.QUESTIONS, trial)
            service.sleep(delay)
            listings = ask_all(listing_questions.QUESTIONS, service)
        finally:
            self._clean_up(trial)
        return names, [*items, *ask_all([item_questions.EMPTY_DATASET], trial)], listings

    def _clean_up(self, trial: Trial) -> None:
        try:
            with finish_first(lambda: self._say("Deleting what was created. Press Ctrl-C again to leave it.")):
                trial.clean_up()
        except KeyboardInterrupt:
            trial.leave("the clean-up was interrupted")
            raise
        finally:
            self.left = trial.leftovers


def check_project(
    settings: StudioSettings,
    project_id: int | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """Check the key of a project. Nothing is changed."""
    with ProjectUnderCheck(settings, project_id, clock=clock, sleep=sleep) as service:
        groups = {"connection": ask_all(project_questions.QUESTIONS, service)}
        groups["network"] = ask_all(network_questions.QUESTIONS, service)
    return Report("project", False, groups)


def _ask_connection(service: OrganizationUnderCheck) -> list[Answer]:
    """Ask whose key it is first: without an answer, the others would each wait for the same timeout."""
    first, *others = connection_questions.QUESTIONS
    if service.dataset is None:
        others.remove(connection_questions.DATASET_TYPE)
    answers = ask_all([first], service)
    if answers[0].value is None:
        return answers + not_asked(others, "the service did not answer")
    return answers + ask_all(others, service)


def _datasets(service: OrganizationUnderCheck) -> list[str]:
    """Return the names of all datasets; from the data items if the service does not list the datasets."""
    listed = service.info.get("datasets")
    if isinstance(listed, list):
        return sorted({str(each.get("dataset")) for each in listed if isinstance(each, dict)})
    names: set[str] = set()
    for page in service.api.list_pages():
        names.update(item.dataset for item in page.items)
    return sorted(names)
