"""The steps of an upload, and what the run that takes them remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from airflow_provider_ei.results import Outcome
from airflow_provider_ei.studio.files import UploadFile
from airflow_provider_ei.studio.models import DataItem


@dataclass
class BatchLimits:
    """The number of files, and of bytes, that fit into one request; a larger file travels alone.

    The items of a sync share one, so that a request size that was refused once is not tried again.
    """

    files: int
    bytes: int

    def shrink_below(self, files: Sequence[UploadFile]) -> None:
        """Make it half of a request that was too large."""
        self.files = min(self.files, max(1, len(files) // 2))
        self.bytes = min(self.bytes, sum(file.size for file in files) // 2)


@dataclass
class RunState:
    """What this run has done so far and no listing shows.

    :ivar data_id: the item that this run created or has begun to change.
    :ivar seen: whether it was listed under a name for which it was created: another name since is a person's doing.
    :ivar sent: names of the files that this run sent to it, and had acknowledged.
    :ivar unanswered: how many attempts to create it had no answer.
    :ivar failures: how many of these were not for throttling.
    :ivar rechecks: how often it has waited for the listing to show what was sent.
    :ivar beginnings: how often it has begun, since the item was taken away meanwhile.
    :ivar settled: whether it has waited for the last requests of an earlier run.
    :ivar adopted: items of others that were found to have the same bytes.
    :ivar fresh: whether the listed items were looked at just now.
    :ivar absence_known: whether an item that is not listed is certainly not there, so that it may be created.
    :ivar run: names this run in the state that it writes, so that two runs at once see each other.
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
        """Whether an item that is there now may be this run's own work."""
        return self.data_id is not None or self.unanswered > 0

    def anew(self) -> RunState:
        """Return the state of the same run once its item was taken away."""
        return RunState(
            outcome=self.outcome,
            beginnings=self.beginnings + 1,
            failures=self.failures,
            settled=self.settled,
            adopted=self.adopted,
        )


@dataclass(frozen=True)
class LookFirst:
    """Look at what was listed a while ago before anything is changed.

    :ivar by_name: when none was listed, since somebody may have created the item.
    """

    items: Sequence[DataItem]
    by_name: bool


@dataclass(frozen=True)
class LetSettle:
    """Wait for what an earlier run, which has left the item unfinished, may have sent last."""

    item: DataItem


@dataclass(frozen=True)
class CompareBytes:
    """Read the files of an item of someone else, which is adopted only if they are the same byte for byte."""

    item: DataItem


@dataclass(frozen=True)
class ReadFiles:
    """Hash the files that were not read yet."""


@dataclass(frozen=True)
class Create:
    """Create the item with these files, complete (with its digest) or pending."""

    files: Sequence[UploadFile]
    complete: bool


@dataclass(frozen=True)
class DeleteDuplicates:
    """Delete items of ours that are there once more, if all of them prove to be copies of the kept one."""

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

    :ivar files_digest: of the files that the item has.
    :ivar stored_files: digest of the names that the service has given them, where it spells them in its own way.
    :ivar renews: only the state beside the digest changes: the content is what it was.
    """

    item: DataItem
    files_digest: str
    stored_files: str | None = None
    renews: bool = False


@dataclass(frozen=True)
class RecheckListing:
    """What was sent is not what is listed; wait, since the listing may lag behind.

    :ivar lost: why no wait and no new try will help, if it still is so then: the service does not keep the names apart.
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
