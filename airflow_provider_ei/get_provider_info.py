"""What Airflow is told about this provider, through the entry point ``apache_airflow_provider``."""

from __future__ import annotations

from typing import Any

from airflow_provider_ei import __version__
from airflow_provider_ei.hooks.connection import ORGANIZATION, PROJECT, UI_FIELD_BEHAVIOUR, ConnectionType

ASSET_URIS = {
    "schemes": ["edgeimpulse"],
    "handler": "airflow_provider_ei.assets.sanitize_uri",
    "factory": "airflow_provider_ei.assets.create_asset",
    "to_openlineage_converter": "airflow_provider_ei.assets.convert_to_openlineage",
}
PROJECT_ASSET_URIS = {
    "schemes": ["edgeimpulse-project"],
    "handler": "airflow_provider_ei.assets.sanitize_project_uri",
    "factory": "airflow_provider_ei.assets.create_project_asset",
    "to_openlineage_converter": "airflow_provider_ei.assets.convert_project_to_openlineage",
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the form of Airflow's ``provider_info`` schema."""
    return {
        "package-name": "airflow-provider-ei",
        "name": "Edge Impulse",
        "description": "Move files and metadata into the datasets of an `Edge Impulse <https://edgeimpulse.com/>`__ "
        "organization.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": "Edge Impulse",
                "external-doc-url": "https://docs.edgeimpulse.com/",
                "tags": ["ai", "machine-learning", "service"],
            }
        ],
        "hooks": [
            {
                "integration-name": "Edge Impulse",
                "python-modules": [
                    "airflow_provider_ei.hooks.edge_impulse",
                    "airflow_provider_ei.hooks.edge_impulse_project",
                ],
            }
        ],
        "operators": [
            {
                "integration-name": "Edge Impulse",
                "python-modules": [
                    "airflow_provider_ei.operators.data",
                    "airflow_provider_ei.operators.retrain",
                    "airflow_provider_ei.operators.samples",
                    "airflow_provider_ei.operators.sample_sync",
                    "airflow_provider_ei.operators.pipeline",
                    "airflow_provider_ei.operators.transform",
                    "airflow_provider_ei.operators.bucket_data",
                    "airflow_provider_ei.operators.download",
                    "airflow_provider_ei.operators.test_model",
                    "airflow_provider_ei.operators.version",
                    "airflow_provider_ei.operators.build",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": "Edge Impulse",
                "python-modules": [
                    "airflow_provider_ei.sensors.dataset",
                    "airflow_provider_ei.sensors.job",
                    "airflow_provider_ei.sensors.samples",
                ],
            }
        ],
        "triggers": [
            {
                "integration-name": "Edge Impulse",
                "python-modules": [
                    "airflow_provider_ei.triggers.dataset",
                    "airflow_provider_ei.triggers.job",
                    "airflow_provider_ei.triggers.events",
                    "airflow_provider_ei.triggers.samples",
                ],
            }
        ],
        "task-decorators": [
            {
                "name": "edge_impulse_add_data",
                "class-name": "airflow_provider_ei.decorators.add_data.edge_impulse_add_data_task",
            },
            {
                "name": "edge_impulse_upload_samples",
                "class-name": "airflow_provider_ei.decorators.upload_samples.edge_impulse_upload_samples_task",
            },
        ],
        "extra-links": [
            "airflow_provider_ei.operators.links.EdgeImpulseDatasetLink",
            "airflow_provider_ei.operators.links.EdgeImpulseJobLink",
            "airflow_provider_ei.operators.links.EdgeImpulseProjectDataLink",
        ],
        "cli": ["airflow_provider_ei.cli.definition.get_edge_impulse_cli_commands"],
        "asset-uris": [ASSET_URIS, PROJECT_ASSET_URIS],
        "dataset-uris": [ASSET_URIS, PROJECT_ASSET_URIS],  # their name in Airflow 2
        "connection-types": [
            _connection_type(ORGANIZATION, "airflow_provider_ei.hooks.edge_impulse.EdgeImpulseHook"),
            _connection_type(PROJECT, "airflow_provider_ei.hooks.edge_impulse_project.EdgeImpulseProjectHook"),
        ],
    }


def _connection_type(kind: ConnectionType, hook: str) -> dict[str, Any]:
    """Return the description of a connection type and its form."""
    return {
        "connection-type": kind.conn_type,
        "hook-class-name": hook,
        "hook-name": kind.hook_name,
        "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
        "conn-fields": {
            name: {
                "label": field.label,
                "description": field.description,
                "schema": {"type": [field.kind, "null"]},
            }
            for name, field in kind.fields.items()
        },
    }
