"""The operator that downloads data items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.operators.base import EdgeImpulseOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.results import DownloadResult


class EdgeImpulseDownloadDataOperator(EdgeImpulseOperator):
    """Download a data item, or those that a filter finds, into a folder or a bucket.

    The operation is ``downloadOrganizationDataFile``. Each file becomes ``destination/item/file``: streamed, whole or
    not there. A file is downloaded again only if it is not there with the size and the time of the service's file; in a
    bucket, if the object has another size or is older. Other files are neither changed nor deleted.

    Names that cannot be a path on every system are refused before anything is downloaded: ``..``, absolute paths, drive
    letters, Windows' device names, and names that differ in upper and lower case only.

    :param destination: a folder on the worker, as an absolute path, or a URI such as ``s3://conn_id@bucket/folder``.
    :param dataset: the dataset; with
    :param name: the name of one data item; or
    :param filter: an SQL condition, such as ``metadata->activity = 'running'``. Without both, the whole dataset.
    :param data_id: the id of one data item, instead of a dataset.
    :param organization_id: overrides that of the connection.
    :param edge_impulse_conn_id: the Airflow connection.
    :return: counts; see :class:`~airflow_provider_ei.results.DownloadResult`.
    """

    template_fields: Sequence[str] = (
        "destination",
        "dataset",
        "name",
        "filter",
        "data_id",
        "organization_id",
        "edge_impulse_conn_id",
    )

    def __init__(
        self,
        *,
        destination: str,
        dataset: str | None = None,
        name: str | None = None,
        filter: str | None = None,
        data_id: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination = destination
        self.dataset = dataset
        self.name = name
        self.filter = filter
        self.data_id = data_id
        self._make_plain()

    def execute(self, context: Context) -> DownloadResult:
        """Download what is not there yet.

        :raises AirflowFailException: for a permanent error.
        :raises EdgeImpulseError: for a transient error; a retry downloads what is left.
        """
        with self._working_hook(context) as hook:
            return hook.download_data(
                self.destination, dataset=self.dataset, name=self.name, filter=self.filter, data_id=self.data_id
            )
