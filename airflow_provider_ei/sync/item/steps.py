"""The steps of an upload, and the state of the run that performs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from airflow_provider_ei.results import Outcome
from airflow_provider_ei.studio.files import UploadFile
from airflow_provider_ei.studio.models import DataItem


@dataclass
class BatchLimits:
    """The maximum number of files and bytes in one request. A larger file gets its own request.

    The items of a sync share these limits, so that a refused request size is not tried again.
    """

    files: int
    bytes: int

    def shrink_below(self, files: Sequence[UploadFile]) -> None:
        """Reduce the limits to half of a request that was too large."""
        self.files = min(self.files, max(1, len(files) // 2))
        self.bytes = min(self.bytes, sum(file.size for file in files) // 2)


@dataclass
class RunState:
    """What this run has done so far that a listing does not show.

    :ivar data_id: the item that this run created or started to change.
    :ivar seen: whether the item was listed under its expected name. If the name changes later, a user has renamed it.
    :ivar sent: names of the files that this run sent to the item and the service acknowledged.
    :ivar unanswered: how many attempts to create the item had no response.
    :ivar failures: how many of these were not caused by throttling.
    :ivar rechecks: how often the run has waited for the listing to show what was sent.
    :ivar beginnings: how often the run has started, including after somebody took the item away.
    :ivar settled: whether the run has waited for the last requests of an earlier run.
    :ivar adopted: ids of items of others that have the same bytes.
    :ivar fresh: whether the items have just been listed.
    :ivar absence_known: whether an unlisted item certainly does not exist, so that it may be created.
    :ivar run: identifies this run in the state that it writes, so that concurrent runs notice each other.
    """

    outcome: Outcome = "unchanged"
    data_id: int | None = None
    seen: bool = False
    sent: set[str] = field(default_factory=set)
    unanswered: int = 0
    failures: int = 0
    rechecks: int = 0
    beginnings: int = 1
    settled: bool = False
    adopted: set[int] = field(default_factory=set)
    fresh: bool = True
    absence_known: bool = True
    run: str = field(default_factory=lambda: uuid4().hex)

    @property
    def begun(self) -> bool:
        """Whether an existing item may have been created by this run."""
        return self.data_id is not None or self.unanswered > 0

    def restarted(self) -> RunState:
        """Return the state for starting over after somebody took the item away."""
        return RunState(
            outcome=self.outcome,
            beginnings=self.beginnings + 1,
            failures=self.failures,
            settled=self.settled,
            adopted=self.adopted,
        )


@dataclass(frozen=True)
class LookFirst:
    """Fetch earlier listed items again before anything is changed.

    :ivar by_name: search by name: no item was listed, but somebody may have created one since.
    """

    items: Sequence[DataItem]
    by_name: bool


@dataclass(frozen=True)
class LetSettle:
    """Wait for the last requests of an earlier run, which left the item unfinished."""

    item: DataItem


@dataclass(frozen=True)
class CompareBytes:
    """Read the files of someone else's item, which is adopted only if all bytes are the same."""

    item: DataItem


@dataclass(frozen=True)
class ReadFiles:
    """Hash the files that have not been read yet."""


@dataclass(frozen=True)
class Create:
    """Create the item with these files, complete (with its digest) or pending."""

    files: Sequence[UploadFile]
    complete: bool


@dataclass(frozen=True)
class DeleteDuplicates:
    """Delete our duplicate items, if all of them are provably copies of the kept item."""

    items: Sequence[DataItem]
    kept: DataItem


@dataclass(frozen=True)
class MarkPending:
    """Mark the item in its metadata as ours and being changed."""

    item: DataItem


@dataclass(frozen=True)
class AddFiles:
    """Send these files to the item."""

    item: DataItem
    files: Sequence[UploadFile]


@dataclass(frozen=True)
class RemoveFile:
    """Remove one file, named as the service lists it."""

    item: DataItem
    file_name: str


@dataclass(frozen=True)
class WriteDigest:
    """Write the user's metadata and the digest: the item is complete.

    :ivar files_digest: digest of the files that the item has.
    :ivar stored_files: digest of the file names as the service spells them, if differently.
    :ivar renews: only other fields of the state change; the content and its digest are unchanged.
    """

    item: DataItem
    files_digest: str
    stored_files: str | None = None
    renews: bool = False


@dataclass(frozen=True)
class RecheckListing:
    """Wait and list again, since the listing differs from what was sent and may lag behind.

    :ivar lost: set if the service does not distinguish the names, so that no retry will help; the error message.
    """

    difference: str
    lost: str | None = None


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""

    item: DataItem
    outcome: Outcome


Step = (
    LookFirst
    | LetSettle
    | CompareBytes
    | ReadFiles
    | Create
    | DeleteDuplicates
    | MarkPending
    | AddFiles
    | RemoveFile
    | WriteDigest
    | RecheckListing
    | Done
)
