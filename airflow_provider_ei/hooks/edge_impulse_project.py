"""The hook of a project: trains its model and works with its jobs, with the key of an Airflow connection."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.hooks.connection import PROJECT, read_hmac_key, read_ingestion_url
from airflow_provider_ei.hooks.interruptible import interruptible
from airflow_provider_ei.hooks.project_models import ProjectModelCalls
from airflow_provider_ei.hooks.sample_calls import SampleCalls

if TYPE_CHECKING:
    from airflow_provider_ei.results import JobResult
    from airflow_provider_ei.studio.api.jobs import JobsApi
    from airflow_provider_ei.studio.api.projects import ProjectApi
    from airflow_provider_ei.studio.http import HttpClient

log = logging.getLogger(__name__)


class EdgeImpulseProjectHook(SampleCalls, ProjectModelCalls):
    """Talks to a project of Edge Impulse Studio with the key of an Airflow connection.

    The connection is read at the first call; nothing is sent before. Every method raises
    :class:`~airflow_provider_ei.exceptions.EdgeImpulseError` or a precise subclass; ``error.retryable`` tells whether a
    new try can help.

    :param edge_impulse_project_conn_id: the connection: password is the project's API key, host the base URL of Studio
        (empty for Edge Impulse's own), extra may carry ``project_id``, ``ingestion_host``, timeouts and retries.
    :param project_id: overrides that of the connection. Without either, the key's own project is asked for.
    """

    conn_name_attr = "edge_impulse_project_conn_id"
    default_conn_name = "edge_impulse_project_default"
    conn_type = PROJECT.conn_type
    hook_name = PROJECT.hook_name
    connection_type = PROJECT
    _derived = ("project_id", "given_project_id")

    def __init__(
        self, edge_impulse_project_conn_id: str = default_conn_name, project_id: int | str | None = None
    ) -> None:
        super().__init__()
        self.edge_impulse_project_conn_id = edge_impulse_project_conn_id
        self._given_project_id = project_id

    @cached_property
    def given_project_id(self) -> int | None:
        """The project as given, else of the connection; None when only the key can tell. Nothing is sent."""
        from airflow_provider_ei.numeric import whole_number

        return whole_number("project_id", self._given_project_id) or self._connection[1]

    @cached_property
    def project_id(self) -> int:
        """The project: as given, else of the connection, else of the key, which takes one request.

        :raises EdgeImpulseConfigError: when none is given and the key does not belong to exactly one.
        """
        if self.given_project_id is not None:
            return self.given_project_id
        from airflow_provider_ei.hooks.project_key import expiry_warning, find_project_key

        key = find_project_key(self.client)
        if warning := expiry_warning(key, datetime.now(UTC)):
            log.warning("%s (Connection %r.)", warning, self.edge_impulse_project_conn_id)
        return key.project_id

    @property
    def ingestion_url(self) -> str:
        """Base URL of the service that takes samples for the project.

        :raises EdgeImpulseConfigError: when the connection has something else there.
        """
        return read_ingestion_url(self.get_connection(self.edge_impulse_project_conn_id))

    @property
    def hmac_key(self) -> str | None:
        """The HMAC key of the project, which some services ask for; None when the connection has none. It is masked."""
        from airflow.providers.common.compat.sdk import mask_secret

        key = read_hmac_key(self.get_connection(self.edge_impulse_project_conn_id))
        if key is not None:
            mask_secret(key)
        return key

    @property
    def project_api(self) -> ProjectApi:
        """The operations that start the project's jobs.

        :raises EdgeImpulseError: as :attr:`project_id` does.
        """
        from airflow_provider_ei.studio.api.projects import ProjectApi

        return ProjectApi(self.client, self.project_id)

    @property
    def knows_owner(self) -> bool:
        """Whether the project is known without a request."""
        return "project_id" in vars(self) or self.given_project_id is not None

    def open_jobs_api(self, client: HttpClient) -> JobsApi:
        """Return the operations on the project's jobs, through a client.

        :raises EdgeImpulseError: as :attr:`project_id` does.
        """
        from airflow_provider_ei.studio.api.jobs import JobsApi

        return JobsApi.of_project(client, self.project_id)

    def job_url(self, job_id: int) -> str:
        """Return a job's page in Studio, on the connection's host."""
        return f"{self.settings.web_url}/studio/{self.project_id}/jobs#show-job-{job_id}"

    def job_result(self, job_id: int, state: Literal["succeeded", "started"]) -> JobResult:
        """Return what a job's task returns."""
        return {"job_id": job_id, "project_id": self.project_id, "state": state, "url": self.job_url(job_id)}

    # --- jobs ---------------------------------------------------------------------------------------------

    @interruptible
    def retrain(
        self,
        impulse_id: int | str | None = None,
        *,
        wait_for_completion: bool = True,
        poll_interval: float = 10.0,
        timeout: float | None = None,
    ) -> JobResult:
        """Train the model again with the last known parameters, and wait until that has succeeded.

        A lost answer starts no second job. In a task whose worker may be lost, use
        :class:`~airflow_provider_ei.operators.retrain.EdgeImpulseRetrainOperator`, which finds its job again.

        :param impulse_id: the impulse; None for the project's default impulse.
        :param wait_for_completion: False: return as soon as the job is started.
        :param poll_interval: seconds between the first two looks at the job; later intervals are longer.
        :param timeout: seconds after which the job is cancelled; None for no limit.
        :return: see :class:`~airflow_provider_ei.results.JobResult`.
        :raises EdgeImpulseJobError: when the job ends without success; quotes the end of its log.
        :raises EdgeImpulseJobTimeoutError: when the timeout passes.
        """
        from airflow_provider_ei.numeric import whole_number

        impulse = whole_number("impulse_id", impulse_id)
        return self._run_job(
            "retrain",
            lambda: self.project_api.start_retrain(impulse),
            wait_for_completion=wait_for_completion,
            poll_interval=poll_interval,
            timeout=timeout,
        )

    def test_connection(self) -> tuple[bool, str]:
        """Try the connection with one request, ``getCurrentApiKeyInfo``, and say what is wrong with it.

        :return: whether it works, and a sentence for the person who pressed the button, with the role and the expiry of
            the key. A key that expires within 14 days is a warning.
        """
        from airflow_provider_ei.hooks.connection_check import try_project_connection

        try:
            settings, project_id = self._connection
            _ = self.ingestion_url
        except EdgeImpulseError as error:
            return False, str(error)
        return try_project_connection(settings, project_id)
