"""Operators that put data into an organization's datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.sync.apply import AddDataResult


class EdgeImpulseAddDataOperator(BaseOperator):
    """Make one data item equal to the files and metadata that upstream tasks produced.

    A retried, cleared or twice-triggered task leaves exactly one item, and sends nothing when the item is right.
    All arguments are template fields, and take XComArgs and ``.expand()`` / ``.expand_kwargs()``.

    :param name: name of the data item.
    :param dataset: name of the dataset.
    :param files: a path or URI, a directory, a glob, ``{"path", "name"?, "content_type"?}``, a list of these, or a
        template that renders to one.
    :param metadata: flat dict, or a template that renders to one.
    :param bucket_name: name of the organization's bucket (for a new item).
    :param bucket_id: its number, instead of the name.
    :param bucket_path: where in the bucket a new item's files go.
    :param organization_id: overrides that of the connection.
    :param if_exists: ``update`` (default), ``skip``, ``fail`` or ``overwrite``.
    :param edge_impulse_conn_id: the Airflow connection.
    :return: ``{"data_id", "name", "dataset", "organization_id", "outcome", "file_count", "total_bytes", "digest",
        "url"}``; outcome is ``created``, ``updated``, ``unchanged`` or ``skipped``.
    """

    template_fields: Sequence[str] = (
        "name",
        "dataset",
        "files",
        "metadata",
        "bucket_name",
        "bucket_id",
        "bucket_path",
        "organization_id",
        "if_exists",
        "edge_impulse_conn_id",
    )
    template_fields_renderers = {"files": "json", "metadata": "json"}
    ui_color = "#dcefe8"

    def __init__(
        self,
        *,
        name: str,
        dataset: str,
        files: Any,
        metadata: dict[str, Any] | str | None = None,
        bucket_name: str | None = None,
        bucket_id: int | str | None = None,
        bucket_path: str | None = None,
        organization_id: int | str | None = None,
        if_exists: str = "update",
        edge_impulse_conn_id: str = EdgeImpulseHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.dataset = dataset
        self.files = files
        self.metadata = metadata
        self.bucket_name = bucket_name
        self.bucket_id = bucket_id
        self.bucket_path = bucket_path
        self.organization_id = organization_id
        self.if_exists = if_exists
        self.edge_impulse_conn_id = edge_impulse_conn_id
        self._hook: EdgeImpulseHook | None = None

    def execute(self, context: Context) -> AddDataResult:
        """Upload, and return what was done.

        :raises AirflowFailException: for an error that no retry can mend.
        :raises EdgeImpulseError: for one that may pass; Airflow tries again.
        """
        self._hook = hook = EdgeImpulseHook(self.edge_impulse_conn_id, organization_id=self.organization_id)
        try:
            result = hook.add_data(
                name=self.name,
                dataset=self.dataset,
                files=self.files,
                metadata=self.metadata,
                bucket_name=self.bucket_name,
                bucket_id=self.bucket_id,
                bucket_path=self.bucket_path,
                if_exists=self.if_exists,
            )
        except EdgeImpulseError as error:
            if error.permanent:
                # Its words say all; the frames below it would only push them out of sight.
                raise AirflowFailException(str(error)) from None
            raise
        hook.client.check_cancelled()  # Airflow 3 goes on after on_kill: a killed task must not end as a success
        return result

    def on_kill(self) -> None:
        """Stop at once; what is half-done stays pending, and the next try completes it."""
        if self._hook is not None:
            self._hook.cancel()
