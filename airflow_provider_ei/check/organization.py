"""An organization that is being checked, as far as reading goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

from airflow_provider_ei.check.probe import Probe, Seen
from airflow_provider_ei.check.questions import NotKnownError
from airflow_provider_ei.check.remembered import remembered
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.models import Organization
from airflow_provider_ei.studio.settings import StudioSettings

#: Maximum of each timeout of a request in seconds: a check must not take many minutes.
MAX_TIMEOUT = 30.0
#: Maximum of the seconds that it waits while the service is throttling.
MAX_PATIENCE = 60.0
#: How many data items a listing shows.
PAGE_ITEMS = 100


class OrganizationUnderCheck:
    """Asks a service about an organization. As a context manager, it closes its connections.

    :param wanted_id: the organization of the connection; None for the key's own.
    :param dataset: the dataset to list; None for all data.
    :param clock: seconds, for measuring.
    :param sleep: waits for that many seconds.
    """

    def __init__(
        self,
        settings: StudioSettings,
        wanted_id: int | None = None,
        dataset: str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tries = settings.retry_attempts
        patience = min(settings.throttle_patience, MAX_PATIENCE)
        self.settings = replace(settings.for_one_try(MAX_TIMEOUT), throttle_patience=patience)
        self.wanted_id = wanted_id
        self.dataset = dataset
        self.clock = clock
        self.sleep = sleep
        self.probe = Probe(self.settings, clock=clock)
        self.client = HttpClient(self.settings, sleep=sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.probe.close()
        self.client.close()

    def patient_client(self) -> HttpClient:
        """Return a client that tries each request as often as the connection says, for clean-ups."""
        return HttpClient(replace(self.settings, retry_attempts=self._tries), sleep=self.sleep)

    @remembered
    def organizations(self) -> list[Organization]:
        """The organizations of the key."""
        return list_organizations(self.client)

    @remembered
    def organization_id(self) -> int:
        """The organization to ask about: the connection's, else the only one of the key."""
        if self.wanted_id is not None:
            return self.wanted_id
        if len(self.organizations) != 1:
            raise NotKnownError("the connection does not say which organization")
        return self.organizations[0].id

    @property
    def path(self) -> str:
        """Path of the organization."""
        return f"/api/organizations/{self.organization_id}"

    @property
    def api(self) -> OrganizationDataApi:
        """Operations on the data items."""
        return OrganizationDataApi(self.client, self.organization_id)

    @remembered
    def info(self) -> dict[str, Any]:
        """What the service tells about the organization."""
        return self.need(self.probe.get("getOrganizationInfo", self.path))

    @remembered
    def page(self) -> Seen:
        """The first page of the listing."""
        page = self.list_page(limit=PAGE_ITEMS)
        self.need(page)
        return page

    def list_page(self, *, with_files: bool = False, **query: object) -> Seen:
        """Request a page of the listing."""
        operation = "listOrganizationFiles" if with_files else "listOrganizationData"
        path = f"{self.path}/data{'/files' if with_files else ''}"
        given = {"dataset": self.dataset, "offset": 0} | query
        return self.probe.get(operation, path, **{name: value for name, value in given.items() if value is not None})

    @staticmethod
    def need(seen: Seen) -> dict[str, Any]:
        """Return the body of a successful response.

        :raises NotKnownError: when the service does not report success.
        """
        if not seen.succeeded or seen.body is None:
            raise NotKnownError(f"the service refused, with HTTP {seen.status}")
        return seen.body
