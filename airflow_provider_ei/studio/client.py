"""One method for each operation of the API that is used; each returns a checked, typed answer."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from airflow_provider_ei.exceptions import EdgeImpulseAnswerError, EdgeImpulseLargeAnswerError
from airflow_provider_ei.studio.answers import Answer, AnswerT, Bucket, DataItem, Dataset, Organization, parse
from airflow_provider_ei.studio.multipart import OnRead, UploadFile
from airflow_provider_ei.studio.outcome import shown
from airflow_provider_ei.studio.reading import LISTING_BYTES
from airflow_provider_ei.studio.sending import Sender

#: Data items a listing asks for at once.
PAGE_ITEMS = 1000

_SAFE_IN_FILTER = re.compile(r"[\w .:/@+-]+")


class Created(Answer):
    """Answer of ``addOrganizationDataItem``."""

    id: int


class StudioClient(Sender):
    """Client for one API key. A context manager: leaving it closes the connections.

    Every method raises :class:`~airflow_provider_ei.exceptions.EdgeImpulseServiceError` or a precise subclass when
    the service refuses, fails or cannot be reached, after the tries that the settings allow.
    """

    # --- organizations, datasets, buckets -----------------------------------------------------------------

    def list_organizations(self) -> list[Organization]:
        """List the organizations of the key, which is its own one only (``listOrganizations``)."""
        operation = "listOrganizations"
        answer = self._call(operation, "GET", "/api/organizations")
        return _each(Organization, answer, "organizations", operation)

    def get_dataset(self, organization_id: int, dataset: str) -> Dataset:
        """Get a dataset's type and totals (``getOrganizationDataset``)."""
        operation = "getOrganizationDataset"
        path = f"/api/organizations/{organization_id}/dataset/{quote(dataset, safe='')}"
        return parse(Dataset, self._call(operation, "GET", path).get("dataset"), operation)

    def list_buckets(self, organization_id: int) -> list[Bucket]:
        """List the organization's storage buckets (``listOrganizationBuckets``)."""
        operation = "listOrganizationBuckets"
        answer = self._call(operation, "GET", f"/api/organizations/{organization_id}/buckets")
        return _each(Bucket, answer, "buckets", operation)

    # --- data items: reading ------------------------------------------------------------------------------

    def list_data_items(
        self,
        organization_id: int,
        dataset: str | None = None,
        *,
        filter: str | None = None,
        with_files: bool = False,
    ) -> list[DataItem]:
        """List all data items, page by page (``listOrganizationData``, or ``listOrganizationFiles`` with files).

        :param filter: SQL-WHERE text, for instance ``metadata->activity = 'running'``.
        :raises EdgeImpulseAnswerError: when the listing is incomplete, so that nobody takes "not listed" for
            "not there".
        """
        operation = "listOrganizationFiles" if with_files else "listOrganizationData"
        path = f"/api/organizations/{organization_id}/data" + ("/files" if with_files else "")
        items: dict[int, DataItem] = {}
        offset, limit = 0, PAGE_ITEMS
        while True:
            query = {"dataset": dataset, "filter": filter, "limit": limit, "offset": offset}
            try:
                answer = self._call(operation, "GET", path, query=query, most_bytes=LISTING_BYTES)
            except EdgeImpulseLargeAnswerError:
                if limit == 1:
                    raise
                limit = math.ceil(limit / 4)  # items with very many files: fewer of them at once
                continue
            if answer.get("filterParseError"):
                words = shown(str(answer["filterParseError"]))
                raise EdgeImpulseAnswerError(
                    f"{operation}: the service could not read the filter {filter!r}: {words}",
                    operation=operation,
                    status=200,
                    server_text=words,
                )
            page = _each(DataItem, answer, "data", operation)
            items.update((item.id, item) for item in page)
            offset += len(page)
            total = answer.get("totalDataItemCount")
            if not page or (isinstance(total, int) and offset >= total):
                break
        if isinstance(total, int) and len(items) != total:
            raise EdgeImpulseAnswerError(
                f"{operation}: the listing is incomplete: {len(items)} data items of {total}. "
                "The dataset may have been changed meanwhile; try again.",
                operation=operation,
                status=200,
            )
        return list(items.values())

    def find_data_items(self, organization_id: int, dataset: str, name: str) -> list[DataItem]:
        """List the data items of exactly that name, with their files.

        How the service's filter escapes a quote and the like is not documented. A name with such a character is
        looked for in the whole dataset instead, which is slower and always right.
        """
        if not _SAFE_IN_FILTER.fullmatch(name):
            listed = self.list_data_items(organization_id, dataset)
            named = [item for item in listed if (item.name, item.dataset) == (name, dataset)]
            return [self.get_data_item(organization_id, item.id) for item in named]
        listed = self.list_data_items(organization_id, dataset, filter=f"name = '{name}'", with_files=True)
        return [item for item in listed if (item.name, item.dataset) == (name, dataset)]

    def get_data_item(self, organization_id: int, data_id: int) -> DataItem:
        """Get a data item with its files (``getOrganizationDataItem``)."""
        operation = "getOrganizationDataItem"
        path = f"/api/organizations/{organization_id}/data/{data_id}"
        answer = self._call(operation, "GET", path, most_bytes=LISTING_BYTES)
        return parse(DataItem, answer.get("data"), operation)

    def file_sha256(self, organization_id: int, data_id: int, file_name: str) -> str:
        """Download a file of a data item and return its SHA-256 in hex (``downloadOrganizationDataFile``).

        The file is streamed and never kept. Each 128 KiB of it have to arrive within the read timeout.

        :raises EdgeImpulseAnswerError: when the answer is not a file, or nobody can tell whether it is whole.
        """
        path = f"/api/organizations/{organization_id}/data/{data_id}/files/download"
        digest = hashlib.sha256()

        def begin() -> Callable[[bytes], object]:
            nonlocal digest
            digest = hashlib.sha256()
            return digest.update

        self._download("downloadOrganizationDataFile", path, {"fileName": file_name}, begin)
        return digest.hexdigest()

    # --- data items: changing -----------------------------------------------------------------------------

    def add_data_item(
        self,
        organization_id: int,
        *,
        name: str,
        dataset: str,
        metadata: Mapping[str, str],
        files: Sequence[UploadFile],
        bucket_name: str | None = None,
        bucket_id: int | None = None,
        bucket_path: str | None = None,
        on_read: OnRead | None = None,
    ) -> tuple[int, dict[str, str]]:
        """Add a data item with up to 10,000 files (``addOrganizationDataItem``).

        Not idempotent: it is tried again only when it certainly was not carried out.

        :param on_read: told of each block of a file, when it is about to leave.
        :return: the new item's id, and the SHA-256 of what was sent by file name.
        :raises EdgeImpulseUnavailableError: with ``ambiguous`` when the item may have been stored all the same.
        :raises EdgeImpulseFileError: when a file changed while it was sent.
        """
        operation = "addOrganizationDataItem"
        optional = {
            "bucketId": None if bucket_id is None else str(bucket_id),
            "bucketName": bucket_name,
            "dataset": dataset,
            "bucketPath": bucket_path,
            "metadata": json.dumps(dict(metadata), ensure_ascii=False),
        }
        fields = [("name", name), *((key, value) for key, value in optional.items() if value is not None)]
        answer, digests = self._upload(
            operation, f"/api/organizations/{organization_id}/data/add", fields, files, on_read, idempotent=False
        )
        return parse(Created, answer, operation).id, digests

    def add_files(
        self, organization_id: int, data_id: int, files: Sequence[UploadFile], on_read: OnRead | None = None
    ) -> dict[str, str]:
        """Add up to 10,000 files to a data item; one of the same name is replaced (``addOrganizationDataFile``).

        :param on_read: told of each block of a file, when it is about to leave; again when it is tried again.
        :return: the SHA-256 of what was sent by file name.
        """
        path = f"/api/organizations/{organization_id}/data/{data_id}/add"
        return self._upload("addOrganizationDataFile", path, [], files, on_read, idempotent=True)[1]

    def update_data_item(
        self,
        organization_id: int,
        data_id: int,
        *,
        metadata: Mapping[str, str] | None = None,
        name: str | None = None,
        dataset: str | None = None,
        once: bool = False,
    ) -> None:
        """Change a data item's metadata, name or dataset (``updateOrganizationDataItem``).

        Whether ``metadata`` is merged or replaces what is there is not documented: send the whole map.

        :param once: leave trying again to the caller, who has to look at the item before that.
        """
        wanted = {"name": name, "dataset": dataset, "metadata": None if metadata is None else dict(metadata)}
        self._call(
            "updateOrganizationDataItem",
            "POST",
            f"/api/organizations/{organization_id}/data/{data_id}",
            body={key: value for key, value in wanted.items() if value is not None},
            once=once,
        )

    def delete_file(self, organization_id: int, data_id: int, file_name: str) -> None:
        """Remove one file from a data item (``deleteOrganizationDataFile``)."""
        path = f"/api/organizations/{organization_id}/data/{data_id}/download"
        self._call("deleteOrganizationDataFile", "DELETE", path, query={"fileName": file_name})

    def delete_data_item(self, organization_id: int, data_id: int) -> None:
        """Delete a data item together with its objects in the bucket (``deleteOrganizationDataItem``)."""
        path = f"/api/organizations/{organization_id}/data/{data_id}"
        self._call("deleteOrganizationDataItem", "DELETE", path)


def _each(kind: type[AnswerT], answer: Mapping[str, Any], field: str, operation: str) -> list[AnswerT]:
    values = answer.get(field)
    if not isinstance(values, list):
        raise EdgeImpulseAnswerError(f"{operation}: the answer has no list {field!r}.", operation=operation, status=200)
    return [parse(kind, value, operation) for value in values]
