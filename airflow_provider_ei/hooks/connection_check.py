"""Tests a connection, for Airflow's test button."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseCancelledError, EdgeImpulseError
from airflow_provider_ei.hooks.key_kinds import describe_owners, wrong_organization_key
from airflow_provider_ei.hooks.project_key import describe_key, find_project_key
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.models import Organization
from airflow_provider_ei.studio.settings import StudioSettings

_T = TypeVar("_T")

#: Time limit of the test in seconds, whatever the connection's timeouts are.
TEST_TIMEOUT = 10.0


def try_connection(settings: StudioSettings, wanted: int | None) -> tuple[bool, str]:
    """Test a connection to an organization with one request, ``listOrganizations``; a second one if that is refused.

    :param wanted: the organization id in the connection, if there is one.
    :return: whether the connection works, and a message for the user.
    """
    try:
        organizations = _within_the_limit(settings, _list_organizations)
    except EdgeImpulseError as error:
        return False, str(error)
    ids = {organization.id for organization in organizations}
    names = describe_owners(organizations)
    seen = f"belongs to organization {names}" if names else "does not belong to any organization"
    if wanted is not None and wanted not in ids:
        return False, f"Correct Organization ID, or use another key: the key {seen}, not to {wanted}."
    if wanted is None and len(ids) != 1:
        return False, f"Set Organization ID, or use another key: the key {seen}."
    return True, f"Connected to {settings.base_url}: organization {names}."


def try_project_connection(settings: StudioSettings, wanted: int | None) -> tuple[bool, str]:
    """Test a connection to a project with one request, ``getCurrentApiKeyInfo``; a second one if that is refused.

    :param wanted: the project id in the connection, if there is one.
    :return: whether the connection works, and a message for the user: the role and the expiry of the key.
    """
    try:
        key = _within_the_limit(settings, find_project_key)
    except EdgeImpulseError as error:
        return False, str(error)
    if wanted is not None and key.project_id != wanted:
        return False, (
            f"Correct Project ID, or use another key: the key belongs to project {key.project_id}, not to {wanted}."
        )
    return True, f"Connected to {settings.base_url}: {describe_key(key, datetime.now(UTC))}"


def _list_organizations(client: HttpClient) -> list[Organization]:
    try:
        return list_organizations(client)
    except EdgeImpulseAuthError as error:
        raise wrong_organization_key(client, error) from None


def _within_the_limit(settings: StudioSettings, ask: Callable[[HttpClient], _T]) -> _T:
    """Call a function in a thread, which is abandoned after the time limit: a DNS lookup cannot be interrupted.

    :raises EdgeImpulseError: when a request fails or takes too long.
    """
    results: list[_T] = []
    errors: list[EdgeImpulseError] = []

    def run() -> None:
        try:
            results.append(ask(client))
        except EdgeImpulseError as error:
            errors.append(error)

    with HttpClient(settings.for_one_try(TEST_TIMEOUT)) as client:
        thread = threading.Thread(target=run, name="edge-impulse-test", daemon=True)
        thread.start()
        thread.join(TEST_TIMEOUT)
        client.cancel()
    if results:
        return results[0]
    if not errors or isinstance(errors[0], EdgeImpulseCancelledError):
        raise EdgeImpulseError(
            f"Try again later, or check Host (Studio base URL) of the connection: no answer from {settings.base_url} "
            f"within {TEST_TIMEOUT:g} s."
        )
    raise errors[0]
