"""Base hook of an organization: the organization that it works in, and the operations on it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal

from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseConfigError, EdgeImpulseError
from airflow_provider_ei.hooks.connection import CONN_TYPE, DEFAULT_CONN_ID, HOOK_NAME, ORGANIZATION
from airflow_provider_ei.hooks.job_calls import JobCalls

if TYPE_CHECKING:
    from airflow_provider_ei.results import JobResult
    from airflow_provider_ei.studio.api.data import OrganizationDataApi
    from airflow_provider_ei.studio.api.jobs import JobsApi
    from airflow_provider_ei.studio.api.organizations import OrganizationApi
    from airflow_provider_ei.studio.http import HttpClient


class EdgeImpulseBaseHook(JobCalls):
    """Opens a client with an Airflow connection, and cancels it when the task is killed.

    The connection is read at the first call; nothing is sent before.

    :param edge_impulse_conn_id: the Airflow connection.
    :param organization_id: overrides the connection's organization.
    """

    conn_name_attr = "edge_impulse_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = CONN_TYPE
    hook_name = HOOK_NAME
    connection_type = ORGANIZATION
    _derived = ("organization_id", "given_organization_id")

    def __init__(self, edge_impulse_conn_id: str = default_conn_name, organization_id: int | str | None = None) -> None:
        super().__init__()
        self.edge_impulse_conn_id = edge_impulse_conn_id
        self._given_organization_id = organization_id

    def _max_connections(self) -> int:
        from airflow_provider_ei.sync.dataset.options import MAX_WORKERS

        return MAX_WORKERS

    @property
    def data_api(self) -> OrganizationDataApi:
        """Operations on the organization's data items.

        :raises EdgeImpulseError: as :attr:`organization_id` does.
        """
        from airflow_provider_ei.studio.api.data import OrganizationDataApi

        return OrganizationDataApi(self.client, self.organization_id)

    @property
    def organization_api(self) -> OrganizationApi:
        """Operations on the organization's datasets and buckets.

        :raises EdgeImpulseError: as :attr:`organization_id` does.
        """
        from airflow_provider_ei.studio.api.organizations import OrganizationApi

        return OrganizationApi(self.client, self.organization_id)

    @cached_property
    def given_organization_id(self) -> int | None:
        """The argument's or the connection's organization; None if only the key determines it. Sends nothing."""
        from airflow_provider_ei.numeric import whole_number

        return whole_number("organization_id", self._given_organization_id) or self._connection[1]

    @cached_property
    def organization_id(self) -> int:
        """The organization: the argument's, else the connection's, else the key's, which takes one request.

        :raises EdgeImpulseConfigError: when neither is given and the key does not belong to exactly one organization.
        """
        if self.given_organization_id is not None:
            return self.given_organization_id
        from airflow_provider_ei.hooks.key_kinds import describe_owners, wrong_organization_key
        from airflow_provider_ei.studio.api.organizations import list_organizations

        try:
            organizations = list_organizations(self.client)
        except EdgeImpulseAuthError as error:
            raise wrong_organization_key(self.client, error) from None
        if len(organizations) != 1:
            seen = describe_owners(organizations) or "none"
            raise EdgeImpulseConfigError(
                f"Set organization_id in connection {self.edge_impulse_conn_id!r}: its key belongs to organization "
                f"{seen}, not to exactly one. If it is the key of a project, use a key of the organization."
            )
        return organizations[0].id

    @property
    def data_url(self) -> str:
        """URL of the organization's data page in Studio, on the connection's host."""
        return self.settings.data_url(self.organization_id)

    @property
    def knows_owner(self) -> bool:
        """Whether the organization is known without a request."""
        return "organization_id" in vars(self) or self.given_organization_id is not None

    def open_jobs_api(self, client: HttpClient) -> JobsApi:
        """Return the operations on the organization's jobs, through a client.

        :raises EdgeImpulseError: as :attr:`organization_id` does.
        """
        from airflow_provider_ei.studio.api.jobs import JobsApi

        return JobsApi.of_organization(client, self.organization_id)

    def job_url(self, job_id: int) -> str:
        """Return a job's page in Studio, on the connection's host."""
        return f"{self.settings.web_url}/organization/{self.organization_id}/jobs#show-job-{job_id}"

    def job_result(self, job_id: int, state: Literal["succeeded", "started"]) -> JobResult:
        """Return what a job's task returns."""
        organization_id = self.organization_id
        return {"job_id": job_id, "organization_id": organization_id, "state": state, "url": self.job_url(job_id)}

    def test_connection(self) -> tuple[bool, str]:
        """Test the connection with one request, ``listOrganizations``.

        :return: whether it works, and a message for the user.
        """
        from airflow_provider_ei.hooks.connection_check import try_connection

        try:
            settings, organization_id = self._connection
        except EdgeImpulseError as error:
            return False, str(error)
        return try_connection(settings, organization_id)
