"""Control of the projects' samples without requests, for tests."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from airflow_provider_ei.emulator.item_store import ItemStore
from airflow_provider_ei.emulator.sample_files import examine, without_extension
from airflow_provider_ei.emulator.sample_store import LabelCounts, SampleStore
from airflow_provider_ei.emulator.stored_data import StoreError
from airflow_provider_ei.emulator.stored_samples import Category, NewSample, SampleFilter, SampleLabels, StoredSample


class SampleControl:
    """What a test sees of the samples, and the changes by other people. Safe to use from several threads.

    The changes are not requests: faults, switches and the log do not apply.
    """

    def __init__(self, store: Callable[[], ItemStore]) -> None:
        self._store = store

    def list(
        self, category: Category | None = None, *, label: str | None = None, project_id: int = 1
    ) -> list[StoredSample]:
        """Return the samples of a project, by id; of one category and label, or of all."""
        labels = None if label is None else (label,)
        return self._samples.select(SampleFilter(project_id=project_id, category=category, labels=labels))

    def counts(self, project_id: int = 1) -> LabelCounts:
        """Return the numbers of samples of a project, by category and label."""
        return self._samples.counts(project_id)

    def get(self, sample_id: int, *, project_id: int = 1) -> StoredSample:
        """Return a sample.

        :raises KeyError: if it does not exist.
        """
        with _found(sample_id):
            return self._samples.get(project_id, sample_id)

    def read(self, sample_id: int, *, project_id: int = 1) -> bytes:
        """Return the bytes of a sample's file.

        :raises KeyError: if the sample does not exist.
        """
        with _found(sample_id):
            sample, stream = self._samples.open(project_id, sample_id)
        with stream:
            return stream.read(sample.size)

    def put(
        self,
        file_name: str,
        data: bytes,
        *,
        label: str = "",
        category: Category = "training",
        metadata: Mapping[str, str] | None = None,
        project_id: int = 1,
    ) -> int:
        """Store a sample, even if one with the same content exists, and return its id."""
        (sample_id,) = self.put_many(
            {file_name: metadata or {}}, data, label=label, category=category, project_id=project_id
        )
        return sample_id

    def put_many(
        self,
        files: Mapping[str, Mapping[str, str]],
        data: bytes,
        *,
        label: str = "",
        category: Category = "training",
        project_id: int = 1,
    ) -> builtins.list[int]:
        """Store many samples with the same content, and return their ids. 100,000 take a few seconds.

        :param files: the metadata of each sample, by the names of the files, which have the same extension.
        """
        upload = self._samples.new_upload()
        upload.begin_file()
        upload.write(memoryview(data))
        upload.end_file(next(iter(files)), "application/octet-stream")
        upload.close()
        (file,) = upload.files
        facts = examine(file.name, file.size, lambda: upload.path.open("rb"))
        samples = [
            NewSample(
                category=category,
                name=without_extension(name),
                file_name=name,
                label=label,
                metadata=dict(metadata),
                sha256=file.sha256,
                size=file.size,
                content_type=file.content_type,
                device_type="EMULATOR",
                offset=file.offset,
                facts=facts,
                labels=SampleLabels(),
            )
            for name, metadata in files.items()
        ]
        stored = self._samples.add(project_id, samples, upload, allow_duplicates=True)
        return [sample_id for sample_id in stored if isinstance(sample_id, int)]

    def edit(
        self,
        sample_id: int,
        *,
        label: str | None = None,
        category: Category | None = None,
        metadata: Mapping[str, str] | None = None,
        project_id: int = 1,
    ) -> None:
        """Change the label of a sample, move it, or replace its metadata.

        :raises KeyError: if it does not exist.
        """
        with _found(sample_id):
            self._samples.update(project_id, sample_id, label=label, category=category, metadata=metadata)

    def remove(self, sample_id: int, *, project_id: int = 1) -> None:
        """Delete a sample.

        :raises KeyError: if it does not exist.
        """
        with _found(sample_id):
            self._samples.delete(project_id, sample_id)

    @property
    def _samples(self) -> SampleStore:
        return self._store().samples


@contextmanager
def _found(sample_id: int) -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise KeyError(sample_id) from None
