"""Tests a connection, for Airflow's test button."""

from __future__ import annotations

import threading

from airflow_provider_ei.exceptions import EdgeImpulseCancelledError, EdgeImpulseError
from airflow_provider_ei.redaction import safe_text
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.models import Organization
from airflow_provider_ei.studio.settings import StudioSettings

#: Time limit of the test in seconds, whatever the connection's timeouts are.
TEST_TIMEOUT = 10.0


def try_connection(settings: StudioSettings, wanted: int | None) -> tuple[bool, str]:
    """Test a connection with one request, ``listOrganizations``.

    :param wanted: the organization id in the connection, if there is one.
    :return: whether the connection works, and a message for the user.
    """
    try:
        organizations = _list_organizations(settings.for_one_try(TEST_TIMEOUT))
    except EdgeImpulseError as error:
        return False, str(error)
    ids = {organization.id for organization in organizations}
    names = ", ".join(f"{organization.id} ({organization.name})" for organization in organizations)
    seen = f"belongs to organization {safe_text(names)}" if names else "does not belong to any organization"
    if wanted is not None and wanted not in ids:
        return False, f"Correct Organization ID, or use another key: the key {seen}, not to {wanted}."
    if wanted is None and len(ids) != 1:
        return False, f"Set Organization ID, or use another key: the key {seen}."
    return True, f"Connected to {settings.base_url}: organization {safe_text(names)}."


def _list_organizations(settings: StudioSettings) -> list[Organization]:
    """List the organizations in a thread, which is abandoned after the time limit: a DNS lookup cannot be interrupted.

    :raises EdgeImpulseError: when the request fails or takes too long.
    """
    outcome: list[list[Organization] | EdgeImpulseError] = []

    def ask() -> None:
        try:
            outcome.append(list_organizations(client))
        except EdgeImpulseError as error:
            outcome.append(error)

    with HttpClient(settings) as client:
        thread = threading.Thread(target=ask, name="edge-impulse-test", daemon=True)
        thread.start()
        thread.join(TEST_TIMEOUT)
        client.cancel()
    result = outcome[0] if outcome else None
    if isinstance(result, list):
        return result
    if result is None or isinstance(result, EdgeImpulseCancelledError):
        raise EdgeImpulseError(
            f"Try again later, or check Host (Studio base URL) of the connection: no answer from {settings.base_url} "
            f"within {TEST_TIMEOUT:g} s."
        )
    raise result
