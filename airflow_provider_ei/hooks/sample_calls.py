"""Hook methods for the samples of a project."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.exceptions import EdgeImpulseConfigError
from airflow_provider_ei.hooks.connected import ConnectedHook
from airflow_provider_ei.hooks.connection import DEFAULT_INGESTION_URL
from airflow_provider_ei.hooks.interruptible import interruptible
from airflow_provider_ei.hooks.lineage import report_project_lineage
from airflow_provider_ei.hooks.stores import open_store

if TYPE_CHECKING:
    from airflow_provider_ei.results import SampleSyncSummary, UploadSamplesResult
    from airflow_provider_ei.samples.sample_file import GivenLabel, GivenMetadata
    from airflow_provider_ei.studio.api.samples import SamplesApi
    from airflow_provider_ei.studio.http import HttpClient
    from airflow_provider_ei.sync.samples.options import GivenMetadata as SyncMetadata
    from airflow_provider_ei.sync.samples.options import Layout

log = logging.getLogger(__name__)


class SampleCalls(ConnectedHook):
    """Uploads files as samples of a project, through a second client for the ingestion service.

    :ivar source_uris: the paths and URIs given to the last upload or sync.
    """

    source_uris: Sequence[str] = ()

    @property
    def project_id(self) -> int:
        """The project."""
        raise NotImplementedError

    @property
    def ingestion_url(self) -> str:
        """Base URL of the ingestion service."""
        raise NotImplementedError

    @property
    def samples_api(self) -> SamplesApi:
        """The operations on the project's samples.

        :raises EdgeImpulseError: as ``project_id`` does.
        """
        from airflow_provider_ei.studio.api.samples import SamplesApi

        return SamplesApi(self.client, self.project_id)

    @property
    def data_url(self) -> str:
        """URL of the project's data page in Studio, on the connection's host."""
        return f"{self.settings.web_url}/studio/{self.project_id}/acquisition/training"

    @cached_property
    def ingestion_client(self) -> HttpClient:
        """The client for the ingestion service.

        :raises EdgeImpulseConfigError: when the connection has a host of its own and no ``ingestion_host``.
        """
        from airflow_provider_ei.studio.http import HttpClient
        from airflow_provider_ei.studio.settings import DEFAULT_BASE_URL

        url = self.ingestion_url
        if url == DEFAULT_INGESTION_URL and self.settings.base_url != DEFAULT_BASE_URL:
            # The key of another service must not be sent to Edge Impulse.
            raise EdgeImpulseConfigError(
                f"Set extra 'ingestion_host' to the base URL of the ingestion service that belongs to "
                f"{self.settings.base_url}: without it, the files would be sent to {DEFAULT_INGESTION_URL}."
            )
        client = HttpClient(self.settings.for_ingestion(url), connections=self._max_connections())
        self.__dict__["ingestion_client"] = client  # before the check, so that a concurrent cancel() finds it
        if self._cancelled:
            client.cancel()
        return client

    def _max_connections(self) -> int:
        from airflow_provider_ei.samples.options import MAX_WORKERS

        return MAX_WORKERS

    @property
    def requests_sent(self) -> int:
        """Number of requests sent through the current clients."""
        client = self.__dict__.get("ingestion_client")
        return super().requests_sent + (client.requests if client is not None else 0)

    def close(self) -> None:
        """Close the connections to both services; see ``ConnectedHook.close``."""
        client = self.__dict__.pop("ingestion_client", None)
        if client is not None:
            client.close()
        super().close()

    def cancel(self) -> None:
        """Make the current call and all later calls raise an error; see ``ConnectedHook.cancel``."""
        super().cancel()
        client = self.__dict__.get("ingestion_client")
        if client is not None:
            client.cancel()

    @interruptible
    def upload_samples(
        self,
        *,
        files: Any,
        category: str = "training",
        sample_label: GivenLabel = None,
        metadata: GivenMetadata = None,
        if_exists: str = "update",
        workers: int | str = 8,
    ) -> UploadSamplesResult:
        """Upload files as samples. A repeated call adds nothing twice, and sends only what is not there yet.

        ``bounding_boxes.labels``, ``structured_labels.labels`` and ``info.labels`` among the files apply to the files
        next to them, as with the official uploader.

        :param files: a path or URI, a directory, a glob, ``{"path", "name"?, "label"?, "metadata"?, "category"?,
            "content_type"?}``, or a list of these.
        :param category: ``training``, ``testing``, ``split`` (the service chooses one of the two) or ``anomaly``.
        :param sample_label: the label of all files that have none of their own, or a function that returns a file's
            label for a :class:`~airflow_provider_ei.samples.sample_file.FileContext`; None: the service derives it from
            the file's name.
        :param metadata: a flat dict for all files, or a function that returns a file's.
        :param if_exists: what to do with a sample that has the content of a file and another label, category or
            metadata: ``update``, ``skip`` or ``fail``.
        :param workers: how many requests to send at once, 1 to 64.
        :return: counts; see :class:`~airflow_provider_ei.results.UploadSamplesResult`.
        :raises EdgeImpulseInputError: before anything is sent, when an argument or a file cannot be used.
        :raises EdgeImpulseSamplesError: when files have failed, after all others are there; contains the summary.
        :raises EdgeImpulseServiceError: when the service refuses or fails every request.
        """
        from airflow_provider_ei.samples.options import UploadOptions
        from airflow_provider_ei.samples.prepare import prepare_samples
        from airflow_provider_ei.samples.upload import SampleUpload
        from airflow_provider_ei.studio.api.ingestion import IngestionApi

        options = UploadOptions.check(
            category=category, sample_label=sample_label, metadata=metadata, if_exists=if_exists, workers=workers
        )
        samples, uris = prepare_samples(files, options, open_store, self.check_cancelled)
        ingestion = IngestionApi(self.ingestion_client)
        log.info(
            "Project %d: %d %s, %d bytes.",
            self.project_id,
            len(samples),
            "file" if len(samples) == 1 else "files",
            sum(sample.size for sample in samples),
        )
        result = SampleUpload(self.samples_api, ingestion, samples, options, url=self.data_url).run()
        self.source_uris = uris
        report_project_lineage(self, uris, result["project_id"], result["categories"])
        return result

    @interruptible
    def sync_samples(
        self,
        *,
        source: Any,
        include: Sequence[str] | str | None = None,
        exclude: Sequence[str] | str | None = None,
        layout: Layout | None = None,
        metadata: SyncMetadata = None,
        delete: str = "never",
        max_delete: int | str | None = None,
        dry_run: bool = False,
        workers: int | str = 8,
        sync_id: str | None = None,
    ) -> SampleSyncSummary:
        """Make the samples of the project equal to the files of a folder or bucket.

        A repeated call sends only what has changed. Samples that were uploaded by hand or by another sync are never
        deleted; one that is exactly what a file should be counts as that of the file.

        :param source: a path or URI; each file in it is a sample.
        :param include: patterns of the files to send, as in ``.gitignore``, relative to the source.
        :param exclude: patterns of the files to leave out, as in ``.gitignore``.
        :param layout: a function that returns the category and the label of a file for its path relative to the source.
            None: the path begins with them, as in ``training/idle/1.csv``.
        :param metadata: a flat dict for all samples, or a function that returns one for a
            :class:`~airflow_provider_ei.sync.samples.options.PathContext`.
        :param delete: ``never``; or ``extra``: delete samples of this sync whose file the source no longer has, once
            all others are up to date and none has failed.
        :param max_delete: limit of the deletions: a number of samples, or a percentage such as ``80%``. By default, and
            in addition to a number, half of the sync's samples.
        :param dry_run: change nothing; ``plan`` in the returned summary shows what would be done.
        :param workers: how many samples to send at once, 1 to 64.
        :param sync_id: identifies the samples of this sync; required to delete.
        :return: counts and names; see :class:`~airflow_provider_ei.results.SampleSyncSummary`.
        :raises EdgeImpulseInputError: before anything is sent, when an argument or the source cannot be used.
        :raises EdgeImpulseDeleteLimitError: before anything is changed, when it would delete too many samples.
        :raises EdgeImpulseSyncError: when samples have failed, after all others are up to date; contains the summary.
        :raises EdgeImpulseServiceError: when the service refuses or fails every request.
        """
        from airflow_provider_ei.studio.api.ingestion import IngestionApi
        from airflow_provider_ei.sync.samples.options import SampleSyncOptions
        from airflow_provider_ei.sync.samples.sample_index import SampleIndex
        from airflow_provider_ei.sync.samples.sync import SampleSync

        options = SampleSyncOptions.check(
            source=source,
            include=include,
            exclude=exclude,
            layout=layout,
            metadata=metadata,
            delete=delete,
            max_delete=max_delete,
            workers=workers,
            sync_id=sync_id,
        )
        index = SampleIndex(options)
        index.read(open_store)
        ingestion = IngestionApi(self.ingestion_client)
        summary = SampleSync(self.samples_api, ingestion, index, options, url=self.data_url).run(dry_run=dry_run)
        if not dry_run:
            self.source_uris = [index.uri]
            report_project_lineage(self, self.source_uris, summary["project_id"], summary["categories"])
        return summary
