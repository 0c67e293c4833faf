"""One method for each operation of the API that is used; each returns a checked, typed answer."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import requests
from urllib3.exceptions import HTTPError

from airflow_provider_ei.exceptions import EdgeImpulseAnswerError, EdgeImpulseCancelledError
from airflow_provider_ei.studio.answers import Answer, AnswerT, Bucket, DataItem, Dataset, Organization, parse
from airflow_provider_ei.studio.multipart import MultipartBody, OnRead, UploadFile
from airflow_provider_ei.studio.outcome import read_answer, read_failure, shown, wants_new_try
from airflow_provider_ei.studio.retry import RetryBudget, retrying
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.studio.transport import open_session

log = logging.getLogger(__name__)

#: Data items a listing asks for at once.
PAGE_ITEMS = 1000

_T = TypeVar("_T")

_SAFE_IN_FILTER = re.compile(r"[\w .:/@+-]+")


class Created(Answer):
    """Answer of ``addOrganizationDataItem``."""

    id: int


class StudioClient:
    """Client for one API key. A context manager: leaving it closes the connections.

    Every method raises :class:`~airflow_provider_ei.exceptions.EdgeImpulseServiceError` or a precise subclass when
    the service refuses, fails or cannot be reached, after the tries that the settings allow.

    :param settings: where to, with which key and time-outs.
    :param connections: connections kept open at once; one is enough for one thread.
    :param sleep: waits that many seconds between two tries; by default so that :meth:`cancel` ends it.
    """

    def __init__(
        self, settings: StudioSettings, *, connections: int = 1, sleep: Callable[[float], None] | None = None
    ) -> None:
        self.settings = settings
        self._sleep = sleep or self._sleep_until_cancelled
        self._budget = RetryBudget()
        self._cancelled = False  # no threading.Event: a signal handler that sets one can meet its own thread's lock
        self._session = open_session(settings.api_key, write_timeout=settings.write_timeout, connections=connections)

    def __enter__(self) -> StudioClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def cancel(self) -> None:
        """End the request under way and refuse further ones; safe in a signal handler and from another thread."""
        self._cancelled = True
        self._session.abort()

    def check_cancelled(self) -> None:
        """Do nothing, unless the client was cancelled.

        :raises EdgeImpulseCancelledError: if it was.
        """
        if self._cancelled:
            raise EdgeImpulseCancelledError("The task was told to stop; the upload is not complete.")

    def sleep(self, seconds: float) -> None:
        """Wait.

        :raises EdgeImpulseCancelledError: when the client is cancelled meanwhile.
        """
        self._sleep(seconds)
        self.check_cancelled()

    def _sleep_until_cancelled(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._cancelled and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

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
        offset = 0
        while True:
            query = {"dataset": dataset, "filter": filter, "limit": PAGE_ITEMS, "offset": offset}
            answer = self._call(operation, "GET", path, query=query)
            if answer.get("filterParseError"):
                words = shown(str(answer["filterParseError"]), self.settings.api_key)
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
        answer = self._call(operation, "GET", f"/api/organizations/{organization_id}/data/{data_id}")
        return parse(DataItem, answer.get("data"), operation)

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
            attempts=1 if once else None,
        )

    def delete_file(self, organization_id: int, data_id: int, file_name: str) -> None:
        """Remove one file from a data item (``deleteOrganizationDataFile``)."""
        path = f"/api/organizations/{organization_id}/data/{data_id}/download"
        self._call("deleteOrganizationDataFile", "DELETE", path, query={"fileName": file_name})

    def delete_data_item(self, organization_id: int, data_id: int) -> None:
        """Delete a data item together with its objects in the bucket (``deleteOrganizationDataItem``)."""
        path = f"/api/organizations/{organization_id}/data/{data_id}"
        self._call("deleteOrganizationDataItem", "DELETE", path)

    # --- sending ------------------------------------------------------------------------------------------

    def _call(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
        attempts: int | None = None,
    ) -> dict[str, Any]:
        return self._tries(
            lambda: self._send(operation, method, path, params=query, json=body), idempotent=True, attempts=attempts
        )

    def _upload(
        self,
        operation: str,
        path: str,
        fields: Sequence[tuple[str, str]],
        files: Sequence[UploadFile],
        on_read: OnRead | None,
        *,
        idempotent: bool,
    ) -> tuple[dict[str, Any], dict[str, str]]:
        def once() -> tuple[dict[str, Any], dict[str, str]]:
            with MultipartBody(fields, files, on_read) as body:  # a new one for each try: a sent body is spent
                answer = self._send(
                    operation, "POST", path, data=body.encoder, headers={"Content-Type": body.content_type}
                )
                return answer, body.sha256_by_name()

        return self._tries(once, idempotent=idempotent)

    def _tries(self, call: Callable[[], _T], *, idempotent: bool, attempts: int | None = None) -> _T:
        loop = retrying(
            attempts=attempts or self.settings.retry_attempts,
            wait=self.settings.retry_wait,
            budget=self._budget,
            may_retry=lambda error: wants_new_try(error, idempotent=idempotent),
            sleep=self.sleep,
        )
        return loop(call)

    def _send(self, operation: str, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        settings = self.settings
        self.check_cancelled()
        self._session.has_sent = False
        try:
            response = self._session.request(
                method,
                settings.base_url + path,
                timeout=(settings.connect_timeout, settings.read_timeout),
                allow_redirects=False,
                **kwargs,
            )
        except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:
            self.check_cancelled()
            # Three libraries' tracebacks would bury what the person who reads the task's log has to know.
            log.debug("%s failed", operation, exc_info=True)
            host = urlsplit(settings.base_url).netloc
            raise read_failure(error, operation, host, has_sent=self._session.has_sent) from None
        answer = read_answer(response, operation, settings.api_key)
        self._budget.succeeded()
        return answer


def _each(kind: type[AnswerT], answer: Mapping[str, Any], field: str, operation: str) -> list[AnswerT]:
    values = answer.get(field)
    if not isinstance(values, list):
        raise EdgeImpulseAnswerError(f"{operation}: the answer has no list {field!r}.", operation=operation, status=200)
    return [parse(kind, value, operation) for value in values]
