"""What the connection's test button does."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.studio.client import StudioClient
from airflow_provider_ei.studio.settings import StudioSettings

#: Most seconds that the test waits, whatever the connection's time-outs are.
TEST_TIMEOUT = 10.0


def try_connection(settings: StudioSettings, wanted: int | None) -> tuple[bool, str]:
    """Try a connection with one request, ``listOrganizations``.

    :param wanted: the organization id in the connection, if there is one.
    :return: whether it works, and a sentence for the person who pressed the button.
    """
    quick = replace(
        settings,
        retry_attempts=1,
        connect_timeout=min(settings.connect_timeout, TEST_TIMEOUT),
        read_timeout=min(settings.read_timeout, TEST_TIMEOUT),
    )
    try:
        with StudioClient(quick) as client:
            organizations = client.list_organizations()
    except EdgeImpulseError as error:
        return False, str(error)
    names = {organization.id: organization.name for organization in organizations}
    seen = ", ".join(f"{number} ({name})" for number, name in names.items()) or "none"
    if wanted is not None and wanted not in names:
        return False, f"The key is right, but it belongs to organization {seen}, not to {wanted}."
    if wanted is None and len(names) != 1:
        return False, f"The key is right, but it belongs to organization {seen}. Set Organization ID."
    return True, f"Connected to {settings.base_url}: organization {seen}."
