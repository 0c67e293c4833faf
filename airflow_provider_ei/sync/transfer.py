"""What an upload did, and what it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from airflow_provider_ei.sync.plan import Outcome


class AddDataResult(TypedDict):
    """What ``add_data`` did. Plain JSON, so that it can be an XCom.

    ``total_bytes`` in bytes; ``digest`` is SHA-256 over files and metadata, None for a skipped item of someone else;
    ``url`` is the page of the organization's data in Studio.
    """

    data_id: int
    name: str
    dataset: str
    organization_id: int
    outcome: Outcome
    file_count: int
    total_bytes: int
    digest: str | None
    url: str


@dataclass
class TransferStats:
    """What it took.

    :ivar files_sent: files that the service has acknowledged, ``bytes_sent`` their bytes.
    :ivar bytes_hashed: bytes that were read without being sent.
    :ivar unanswered: changing requests without an answer, after which the item was looked at.
    :ivar duplicates: items of the same name that were removed.
    """

    files_sent: int = 0
    bytes_sent: int = 0
    bytes_hashed: int = 0
    unanswered: int = 0
    duplicates: int = 0
