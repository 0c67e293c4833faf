"""The request of a transformation job, from the arguments of an operator or a hook method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_ei.exceptions import EdgeImpulseConfigError, EdgeImpulseInputError
from airflow_provider_ei.numeric import whole_number

CATEGORIES = ("training", "testing", "split")


@dataclass(frozen=True)
class TransformRequest:
    """Checked arguments of a transformation job. The key of the project is added when the request is sent."""

    name: str
    fields: Mapping[str, Any]
    project_conn_id: str | None

    @classmethod
    def of(cls, given: Any) -> TransformRequest:
        """Check the arguments, which are attributes of an object.

        :raises EdgeImpulseInputError: naming the one that cannot be used.
        """
        from airflow_provider_ei.sources.names import check_text

        name = check_text("name", given.name)
        dataset, conn_id = given.output_dataset or None, given.edge_impulse_project_conn_id or None
        if (dataset is None) == (conn_id is None):
            raise EdgeImpulseInputError(
                "Give output_dataset to write into a dataset, or edge_impulse_project_conn_id to import into a "
                f"project, not {'both' if dataset else 'neither'}."
            )
        block = whole_number("transformation_block_id", given.transformation_block_id)
        builtin = _mapping("builtin_block", given.builtin_block)
        if block is not None and builtin:
            raise EdgeImpulseInputError("Give transformation_block_id or builtin_block, not both.")
        category = given.category or None
        if category not in (None, *CATEGORIES):
            raise EdgeImpulseInputError(f"category must be one of {', '.join(CATEGORIES)}, not {category!r}.")
        parameters = _mapping("parameters", given.parameters)
        fields = {
            "filter": given.filter or None,
            "pathFilters": _path_filters(given.path_filters) or None,
            "transformationBlockId": block,
            "builtinTransformationBlock": dict(builtin) if builtin else None,
            "uploadType": "project" if dataset is None else "dataset",
            "outputDatasetName": None if dataset is None else check_text("output_dataset", dataset),
            "category": category,
            "label": given.sample_label or None,
            "outputDatasetBucketId": whole_number("output_bucket_id", given.output_bucket_id),
            "outputDatasetBucketPath": given.output_bucket_path or None,
            "parameters": {str(key): str(value) for key, value in parameters.items()} if parameters else None,
            "transformationParallel": whole_number("parallel", given.parallel),
        }
        return cls(name, {name: value for name, value in fields.items() if value is not None}, conn_id)

    def body(self, name: str, base_url: str) -> dict[str, Any]:
        """Return the body of the request, with the project's key.

        :param name: the name of the job.
        :param base_url: where the request is sent.
        :raises EdgeImpulseConfigError: when the project's connection is incomplete, or leads to another host, which
            must not get the key.
        """
        body = {"name": name, **self.fields}
        if self.project_conn_id is not None:
            from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook

            with EdgeImpulseProjectHook(self.project_conn_id) as hook:  # it masks the key
                if hook.settings.base_url != base_url:
                    raise EdgeImpulseConfigError(
                        f"Use connections to the same Studio: connection {self.project_conn_id!r} of the project leads "
                        f"to {hook.settings.base_url}, that of the organization to {base_url}. Nothing was sent."
                    )
                body["projectApiKey"] = hook.settings.api_key
                if hook.hmac_key is not None:
                    body["projectHmacKey"] = hook.hmac_key
                if hook.given_project_id is not None:
                    body["projectId"] = hook.given_project_id
        return body


def _path_filters(value: object) -> list[dict[str, str]]:
    if value is None or value == "":
        return []
    ones = value if isinstance(value, list | tuple) else None
    if ones is None or not all(isinstance(one, Mapping) and set(one) == {"dataset", "filter"} for one in ones):
        raise EdgeImpulseInputError("path_filters must be a list of dicts with 'dataset' and 'filter'.")
    return [{name: str(text) for name, text in one.items()} for one in ones]


def _mapping(field: str, value: object) -> Mapping[str, Any]:
    if value is None or value == "":
        return {}
    if not isinstance(value, Mapping):
        raise EdgeImpulseInputError(f"{field} must be a dict, not {type(value).__name__}.")
    return value
