"""Questions about the connection: the service, the key, the organization."""

from __future__ import annotations

from airflow_provider_ei.check.organization import OrganizationUnderCheck
from airflow_provider_ei.check.questions import NotKnownError, Question, Value
from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseRefusedError
from airflow_provider_ei.studio.api.organizations import OrganizationApi
from airflow_provider_ei.studio.api.projects import list_projects


def _key(service: OrganizationUnderCheck) -> Value:
    try:
        service.organizations  # noqa: B018 - asks the service
    except EdgeImpulseAuthError:
        try:
            list_projects(service.client)
        except (EdgeImpulseAuthError, EdgeImpulseRefusedError):
            return "refused"
        return "project"
    return "organization"


def _organization(service: OrganizationUnderCheck) -> Value:
    ids = [organization.id for organization in service.organizations]
    if service.wanted_id is not None:
        return "same" if service.wanted_id in ids else "other"
    return {0: "none", 1: "one"}.get(len(ids), "several")


def _reads(service: OrganizationUnderCheck) -> Value:
    seen = service.list_page(limit=1)
    if seen.status in (401, 403):
        return False
    service.need(seen)
    return True


def _buckets(service: OrganizationUnderCheck) -> Value:
    return len(OrganizationApi(service.client, service.organization_id).list_buckets())


def _datasets(service: OrganizationUnderCheck) -> Value:
    datasets = service.info.get("datasets")
    if not isinstance(datasets, list):
        raise NotKnownError("the service does not list the datasets")
    return len(datasets)


def _dataset_type(service: OrganizationUnderCheck) -> Value:
    assert service.dataset is not None
    try:
        return OrganizationApi(service.client, service.organization_id).get_dataset(service.dataset).type
    except EdgeImpulseAuthError:
        raise
    except EdgeImpulseRefusedError:
        return "missing"


def _key_in_projects(service: OrganizationUnderCheck) -> Value:
    projects = service.need(service.probe.get("listOrganizationProjects", f"{service.path}/projects")).get("projects")
    ids = [project.get("id") for project in projects or () if isinstance(project, dict)]
    if not ids:
        raise NotKnownError("the organization has no projects")
    seen = service.probe.get("listVersions", f"/api/{ids[0]}/versions")
    return "accept" if seen.succeeded else "reject"


#: Asked only if a dataset is given.
DATASET_TYPE = Question(
    "dataset_type",
    "What kind of dataset is the given one?",
    _dataset_type,
    {
        "clinical": "It has data items, as uploads need.",
        "files": "It is a file tree without data items: choose another dataset.",
        "missing": "The first upload creates it.",
    },
    "Uploads need a dataset with data items.",
)

QUESTIONS: tuple[Question[OrganizationUnderCheck], ...] = (
    Question(
        "key",
        "Whose key is it?",
        _key,
        {
            "organization": "It is the right kind for this connection.",
            "project": "Use a key of the organization, or a connection of type edge_impulse_project.",
            "refused": "Check the API key of the connection.",
        },
    ),
    Question(
        "organization",
        "Does the key belong to the connection's organization?",
        _organization,
        {
            "same": "Yes.",
            "one": "The connection names none, so each task asks for the key's own: set it to save that request.",
            "other": "Correct the organization ID of the connection, or use another key.",
            "several": "Set the organization ID in the connection.",
            "none": "Use a key of the organization.",
        },
    ),
    Question(
        "reads",
        "May the key read data items?",
        _reads,
        {True: "Yes.", False: "Uploads need this right: use a key with another role."},
    ),
    Question(
        "buckets",
        "How many storage buckets are there?",
        _buckets,
        {1: "New items go there.", 0: "Connect a bucket in Studio before you upload."},
        "Choose one for new items with bucket_name or bucket_id.",
    ),
    Question("datasets", "How many datasets are there?", _datasets, otherwise="For information."),
    DATASET_TYPE,
    Question(
        "organization_key_in_projects",
        "Can the key be used for the organization's projects?",
        _key_in_projects,
        {
            "accept": "Jobs could use it, too; a key of the project is still the right choice.",
            "reject": "Jobs and samples need a connection of type edge_impulse_project.",
        },
    ),
)
