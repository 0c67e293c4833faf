"""The data items of an organization."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from airflow_provider_ei.exceptions import (
    EdgeImpulseFilterError,
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
)
from airflow_provider_ei.studio.api.arguments import check_file_names, check_metadata, check_unicode
from airflow_provider_ei.studio.api.pages import PageFetcher
from airflow_provider_ei.studio.api.pages_with_files import PageWithFilesFetcher
from airflow_provider_ei.studio.files import OnRead, UploadFile
from airflow_provider_ei.studio.http import BeforeRetry, HttpClient
from airflow_provider_ei.studio.listing import (
    ATTEMPTS,
    ListedPage,
    Listing,
    ListingMovedError,
    OffsetIgnoredError,
    Page,
)
from airflow_provider_ei.studio.models import Answer, CreatedAnswer, DataItem, DataItemAnswer
from airflow_provider_ei.studio.reading import LISTING_BYTES
from airflow_provider_ei.studio.repair import repair_item
from airflow_provider_ei.studio.spelling import canonical_name, may_be_stored_as, spellings

#: Strings that may end a literal in a filter, or that a service may take for operators or comments in a filter.
_UNSAFE_IN_FILTER = ("'", "\\", "->", "--", "/*")


class OrganizationDataApi:
    """The operations on an organization's data items.

    Every method raises :class:`~airflow_provider_ei.exceptions.EdgeImpulseServiceError` or a specific subclass when
    the service refuses, fails or cannot be reached, after the tries that the settings allow.

    :ivar http: the client that the requests are sent through.
    """

    def __init__(self, http: HttpClient, organization_id: int) -> None:
        self.http = http
        self.organization_id = organization_id
        self._path = f"/api/organizations/{organization_id}/data"

    @property
    def page_url(self) -> str:
        """Return the page of the data in Studio."""
        return self.http.settings.data_url(self.organization_id)

    # --- reading ------------------------------------------------------------------------------------------

    def list_data_items(
        self, dataset: str | None = None, *, filter: str | None = None, with_files: bool = False
    ) -> list[DataItem]:
        """List all data items (``listOrganizationData``, or ``listOrganizationFiles`` with files).

        The promises and the parameters are those of :meth:`list_pages`.
        """
        items: list[DataItem] = []
        for page in self.list_pages(dataset, filter=filter, with_files=with_files):
            if page.is_first:
                items.clear()
            items += page.items
        return items

    def list_pages(
        self, dataset: str | None = None, *, filter: str | None = None, with_files: bool = False
    ) -> Iterator[ListedPage[DataItem]]:
        """Yield all data items page by page, so that they need not be in memory all at once.

        While others change the dataset, a listing may move and must be repeated, up to three times, each time
        after a short wait. The pages tell the consumer about it::

            for page in api.list_pages(dataset):
                if page.is_first:
                    ...  # discard all earlier pages; this is the beginning of the listing
                for item in page.items:
                    ...

        ``is_first`` is also true for the very first page, and there is at least one page, so this branch initializes
        the consumer, too. The listing is complete only when the iterator has ended without an error. Then it contains
        every item that existed all the time, and each item only once since the last page with ``is_first``. An item
        that was added or deleted in the meantime may be in it or not. Until the end, "not listed" does not mean "does
        not exist", and nothing may be deleted or created because of it. An item has the state that it had when its
        page was read; read it again before changing it. The pages hold no connection, but the longer the consumer takes
        between two pages, the more may have moved.

        Limitations of a service that reports no totals: if it orders by name, an item that is renamed in the meantime
        may be missing. If it returns one item at a time, or ignores the offset and returns fewer items than requested,
        no page can be compared with the previous one.

        :param dataset: name of the dataset; the service is queried for each spelling under which it may have stored
            the name (another Unicode form, different white space).
        :param filter: SQL-WHERE expression, for instance ``metadata->activity = 'running'``.
        :raises EdgeImpulseResponseError: when the listing is incomplete, or when an item has no usable id, name or
            dataset.
        """
        check_unicode(dataset=dataset, filter=filter)
        operation = "listOrganizationFiles" if with_files else "listOrganizationData"
        queries = [
            {"dataset": spelling, "filter": filter} for spelling in ((None,) if dataset is None else spellings(dataset))
        ]
        fetches: list[Callable[[int], Page[DataItem]]] = [
            PageWithFilesFetcher(self.http, self._path, query, self.get_data_item)
            if with_files
            else PageFetcher(self.http, operation, self._path, query)
            for query in queries
        ]
        listing = Listing(fetches, self.http.sleep)
        try:
            yield from listing.pages()
        except ListingMovedError as moved:
            of_total = "" if listing.total is None else f" of {listing.total}"
            error = EdgeImpulseResponseError(
                "Run the task again when nobody else changes the dataset: its listing is incomplete: "
                f"{listing.count} data items{of_total}, at the last of {ATTEMPTS} attempts. {moved} If that stays "
                f"so, the service does not list as its API promises. ({operation})",
                operation=operation,
                status=200,
            )
            error.retryable = not isinstance(moved, OffsetIgnoredError)
            raise error from None

    def find_data_items(self, dataset: str, name: str) -> list[DataItem]:
        """List the data items with that name, including their files.

        A name must match exactly, unless it differs from its canonical form (see ``canonical_name``). Then the service
        may have stored it in another form, and all items are returned whose names have the same canonical form. The
        same applies to the dataset.

        How the service's filter escapes a quote or a backslash is not documented. A name that contains one of them, or
        that may be stored in another form, is searched in the whole dataset instead, which is slower but always right;
        and so is any name if the service cannot parse filters.
        """

        check_unicode(name=name, dataset=dataset)

        def is_wanted(item: DataItem) -> bool:
            return may_be_stored_as(name, item.name) and may_be_stored_as(dataset, item.dataset)

        can_filter = canonical_name(name) == name and not any(text in name for text in _UNSAFE_IN_FILTER)
        if can_filter and self.http.abilities.has("filters"):
            try:
                listed = self.list_data_items(dataset, filter=f"name = '{name}'", with_files=True)
                return list(filter(is_wanted, listed))
            except EdgeImpulseFilterError as error:
                self.http.abilities.miss("filters", error)
        named = list(filter(is_wanted, self.list_data_items(dataset)))
        try:
            found = [self.get_data_item(item.id) for item in named]
        except EdgeImpulseRefusedError:
            # One of them may have been deleted. A listing with files is larger, but consistent.
            found = self.list_data_items(dataset, with_files=True)
        return list(filter(is_wanted, found))

    def get_data_item(self, data_id: int) -> DataItem:
        """Get a data item with its files (``getOrganizationDataItem``)."""
        path = f"{self._path}/{data_id}"
        return self.http.request_json(
            "getOrganizationDataItem",
            "GET",
            path,
            DataItemAnswer,
            max_bytes=LISTING_BYTES,
            repair=partial(repair_item, data_id=data_id),
        ).data

    def file_sha256(self, data_id: int, file_name: str) -> str:
        """Download a file of a data item and return its SHA-256 in hex (``downloadOrganizationDataFile``).

        The file is streamed and never kept. Each 128 KiB of it must arrive within the read timeout.

        :raises EdgeImpulseResponseError: when the response is not a file, or may be incomplete.
        """
        digest = hashlib.sha256()

        def begin() -> Callable[[bytes], object]:
            nonlocal digest
            digest = hashlib.sha256()
            return digest.update

        self.download_file(data_id, file_name, begin)
        return digest.hexdigest()

    def download_file(self, data_id: int, file_name: str, begin: Callable[[], Callable[[bytes], object]]) -> int:
        """Download a file of a data item block by block (``downloadOrganizationDataFile``).

        Each 128 KiB of it must arrive within the read timeout.

        :param begin: called before the first block of each try; returns a function that is called with each block.
        :return: the file's length in bytes.
        :raises EdgeImpulseResponseError: when the response is not a file, or may be incomplete.
        """
        check_unicode(file_name=file_name)
        path = f"{self._path}/{data_id}/files/download"
        return self.http.download("downloadOrganizationDataFile", path, {"fileName": file_name}, begin)

    # --- changing -----------------------------------------------------------------------------------------

    def add_data_item(
        self,
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

        Not idempotent: it is retried only when it certainly was not carried out.

        :param on_read: called with a file's name and progress before each of its blocks is sent.
        :return: the new item's id, and the SHA-256 of each file that was sent, by name.
        :raises EdgeImpulseUnavailableError: with ``ambiguous`` when the item may have been stored nevertheless.
        :raises EdgeImpulseFileError: when a file changed while it was sent.
        """
        check_unicode(name=name, dataset=dataset, bucket_name=bucket_name, bucket_path=bucket_path)
        check_metadata(metadata)
        check_file_names(file.name for file in files)
        optional = {
            "bucketId": None if bucket_id is None else str(bucket_id),
            "bucketName": bucket_name,
            "dataset": dataset,
            "bucketPath": bucket_path,
            "metadata": json.dumps(dict(metadata), ensure_ascii=False),
        }
        fields = [("name", name), *((key, value) for key, value in optional.items() if value is not None)]
        answer, digests = self.http.upload(
            "addOrganizationDataItem",
            f"{self._path}/add",
            CreatedAnswer,
            fields,
            files,
            on_read,
            idempotent=False,
        )
        return answer.id, digests

    # A change to an item can be repeated, since it sets a state and adds nothing to it. But somebody else may change
    # the item in the seconds between two tries: a caller for which that matters reads the item again in before_retry.

    def add_files(
        self,
        data_id: int,
        files: Sequence[UploadFile],
        on_read: OnRead | None = None,
        *,
        before_retry: BeforeRetry | None = None,
    ) -> dict[str, str]:
        """Add up to 10,000 files to a data item; one of the same name is replaced (``addOrganizationDataFile``).

        :param on_read: called with a file's name and progress before each of its blocks is sent, in each try.
        :param before_retry: called before each retry.
        :return: the SHA-256 of each file that was sent, by name.
        """
        check_file_names(file.name for file in files)
        path = f"{self._path}/{data_id}/add"
        return self.http.upload(
            "addOrganizationDataFile", path, Answer, [], files, on_read, idempotent=True, before_retry=before_retry
        )[1]

    def update_data_item(
        self,
        data_id: int,
        *,
        metadata: Mapping[str, str] | None = None,
        name: str | None = None,
        dataset: str | None = None,
        before_retry: BeforeRetry | None = None,
    ) -> None:
        """Change a data item's metadata, name or dataset (``updateOrganizationDataItem``).

        Whether ``metadata`` is merged with the existing metadata or replaces it is not documented: send the whole map.

        :param before_retry: called before each retry.
        """
        check_unicode(name=name, dataset=dataset)
        check_metadata(metadata or {})
        wanted = {"name": name, "dataset": dataset, "metadata": None if metadata is None else dict(metadata)}
        self.http.request_json(
            "updateOrganizationDataItem",
            "POST",
            f"{self._path}/{data_id}",
            body={key: value for key, value in wanted.items() if value is not None},
            before_retry=before_retry,
        )

    def delete_file(self, data_id: int, file_name: str, *, before_retry: BeforeRetry | None = None) -> None:
        """Remove one file from a data item (``deleteOrganizationDataFile``)."""
        check_unicode(file_name=file_name)
        path = f"{self._path}/{data_id}/download"
        query = {"fileName": file_name}
        self.http.request_json("deleteOrganizationDataFile", "DELETE", path, query=query, before_retry=before_retry)

    def delete_data_item(self, data_id: int, *, before_retry: BeforeRetry | None = None) -> None:
        """Delete a data item together with its objects in the bucket (``deleteOrganizationDataItem``)."""
        path = f"{self._path}/{data_id}"
        self.http.request_json("deleteOrganizationDataItem", "DELETE", path, before_retry=before_retry)
