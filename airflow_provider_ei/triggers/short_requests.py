"""Hooks for the triggerer, whose threads must not wait and retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_ei.hooks.connected import ConnectedHook
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.hooks.organization_runs import PipelineRunsHook, TransformationsHook

if TYPE_CHECKING:
    from airflow_provider_ei.studio.settings import StudioSettings

#: Timeout of each request in seconds, whatever the connection allows.
REQUEST_TIMEOUT = 10.0


class ShortRequests(ConnectedHook):
    """Mixin for hooks: requests have one try and short timeouts. The caller waits and retries.

    :ivar allowed_tries: tries of a request that the connection allows.
    :ivar base_wait: base of the backoff in seconds, from the connection.
    :ivar throttle_patience: seconds of throttling that the connection allows.
    """

    allowed_tries = 1
    base_wait = 0.0
    throttle_patience = 0.0

    def _read_connection(self) -> tuple[StudioSettings, int | None]:
        settings, owner_id = super()._read_connection()
        self.allowed_tries = settings.retry_attempts
        self.base_wait = settings.retry_wait
        self.throttle_patience = settings.throttle_patience
        return settings.for_one_try(REQUEST_TIMEOUT), owner_id


class ShortRequestsProjectHook(ShortRequests, EdgeImpulseProjectHook):
    """Hook of a project with short requests."""


class ShortRequestsHook(ShortRequests, EdgeImpulseHook):
    """Hook of an organization with short requests."""


class ShortRequestsPipelineRunsHook(ShortRequests, PipelineRunsHook):
    """Hook of a pipeline with short requests."""


class ShortRequestsTransformationsHook(ShortRequests, TransformationsHook):
    """Hook for transformation jobs with short requests."""
