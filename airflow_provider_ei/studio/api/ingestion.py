"""The ingestion service, which takes files and adds them to a project as samples."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from airflow_provider_ei.exceptions import EdgeImpulseResponseError
from airflow_provider_ei.studio.api.arguments import check_file_names, check_metadata, check_unicode
from airflow_provider_ei.studio.files import OnRead, UploadFile
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.models import Answer, ApiModel, Id
from airflow_provider_ei.studio.reading import LISTING_BYTES
from airflow_provider_ei.studio.responses import UPLOAD_SAMPLES

#: Maximum number of files in one request, those with labels included.
MAX_FILES = 1000

_DUPLICATE = re.compile(r"an item with this hash already exists(?:\s*\(ids?:\s*(?P<ids>[\d,\s]*)\))?", re.I)


class IngestedFile(ApiModel, frozen=True, kw_only=True):
    """What became of a file."""

    success: bool
    sample_id: Id | None = None
    file_name: str | None = None
    error: str | None = None

    @property
    def duplicate_of(self) -> tuple[int, ...] | None:
        """The ids of the samples with the same content, because of which the file was refused; None if it was not.

        Empty when the service does not say which.
        """
        return None if self.success else parse_duplicate(self.error)


class IngestionAnswer(Answer, frozen=True, kw_only=True):
    """Response of the ingestion service: what became of each file, in the order of the request."""

    files: list[IngestedFile]


class IngestionApi:
    """Adds samples to the project whose key the client has.

    :ivar http: a client whose base URL is that of the ingestion service.
    """

    def __init__(self, http: HttpClient) -> None:
        self.http = http

    def upload_files(
        self,
        category: str,
        files: Sequence[UploadFile],
        sidecars: Sequence[UploadFile] = (),
        *,
        label: str | None = None,
        unlabeled: bool = False,
        metadata: Mapping[str, str] | None = None,
        on_read: OnRead | None = None,
    ) -> tuple[list[IngestedFile], dict[str, str]]:
        """Add files as samples, except those whose content the project already has.

        The service compares the contents, so a request is repeated even if it may have been carried out.

        :param category: ``training``, ``testing``, ``split`` or ``anomaly``.
        :param files: files with different names.
        :param sidecars: files with labels, such as ``bounding_boxes.labels``.
        :param label: the label of all files; None: the service derives it from each file's name.
        :param unlabeled: add them without a label.
        :param metadata: the metadata of all files.
        :param on_read: called with a file's name and progress before each of its blocks is sent.
        :return: what became of each file, in their order, and the SHA-256 of each, by name.
        :raises EdgeImpulseRefusedError: when the service refuses the request as a whole.
        :raises EdgeImpulseFileError: when a file changed while it was being sent.
        :raises EdgeImpulseServiceError: when the service fails or cannot be reached, after the tries that the settings
            allow.
        """
        check_unicode(label=label)
        check_metadata(metadata or {})
        check_file_names(file.name for file in files)
        headers = {"x-disallow-duplicates": "1"}
        if unlabeled:
            headers |= {"x-label": "", "x-no-label": "1"}
        elif label is not None:
            headers["x-label"] = quote(label, safe="!~*'()")
        if metadata:
            headers["x-metadata"] = json.dumps(dict(metadata))
        answer, digests = self.http.upload(
            UPLOAD_SAMPLES,
            f"/api/{category}/files",
            IngestionAnswer,
            [],
            [*files, *sidecars],
            on_read,
            idempotent=True,
            headers=headers,
            part="data",
            max_bytes=LISTING_BYTES,
        )
        if len(answer.files) < len(files):
            raise EdgeImpulseResponseError(
                f"Run the task again: the service has answered for {len(answer.files)} of {len(files)} files. "
                f"({UPLOAD_SAMPLES})",
                operation=UPLOAD_SAMPLES,
                status=200,
            )
        return answer.files[: len(files)], digests


def parse_duplicate(error: str | None) -> tuple[int, ...] | None:
    """Return the ids in the error for a content that the project already has; None for any other error."""
    match = _DUPLICATE.search(error or "")
    if match is None:
        return None
    return tuple(int(number) for number in re.findall(r"\d+", match["ids"] or ""))
