"""What uploads and syncs return: the types, reading them back from an XCom, and sums.

The keys of a result are listed in this module only. Whatever counts, adds up, stores or shows results takes them from
here. A return value is read as if anybody could have pushed it: numbers are clamped to what can be added up and shown,
and strings become valid Unicode.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict, cast, get_args

#: What an upload did with its data item.
Outcome = Literal["created", "updated", "unchanged", "skipped"]

#: Limits of a summary, so that it fits into an XCom: names of changed items and of each kind in a plan, described
#: failures, and characters of each reason.
MAX_CHANGED_NAMES = 1000
MAX_DESCRIBED_FAILURES = 20
MAX_REASON_LENGTH = 300

#: Limits of what is read: the largest count, number of bytes and number of seconds, and the longest string.
MAX_NUMBER = 10**15
MAX_STRING_LENGTH = 500


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


class JobResult(TypedDict):
    """What a job's task returns. Plain JSON, so that it can be an XCom.

    It has the id of the project or that of the organization. ``state`` is ``succeeded``, or ``started`` when the task
    did not wait; ``url`` is the job's page in Studio.
    """

    job_id: int
    project_id: NotRequired[int]
    organization_id: NotRequired[int]
    state: Literal["succeeded", "started"]
    url: str


class PipelineRunResult(TypedDict):
    """What the run of a pipeline returns. Plain JSON, so that it can be an XCom.

    ``job_id`` is the id of the run, and ``url`` the page of the pipelines in Studio. The counts are there when the task
    has waited: ``file_count`` inputs of all steps, ``failed_imports`` items that could not be imported into a project;
    ``items_before`` and ``items_after`` in what the pipeline feeds, None where the service does not tell them.
    """

    job_id: int
    pipeline_id: int
    organization_id: int
    state: Literal["succeeded", "started"]
    url: str
    step_count: NotRequired[int]
    file_count: NotRequired[int]
    failed_imports: NotRequired[int]
    items_before: NotRequired[int | None]
    items_after: NotRequired[int | None]


class TransformResult(TypedDict):
    """What a transformation job returns. Plain JSON, so that it can be an XCom.

    ``job_id`` is what the API calls ``createProjectId``; ``file_count`` is the number of inputs. It has the dataset or
    the project that has got the results.
    """

    job_id: int
    organization_id: int
    state: Literal["succeeded", "started"]
    url: str
    file_count: NotRequired[int]
    output_dataset: NotRequired[str]
    project_id: NotRequired[int]


class DatasetJobResult(TypedDict):
    """What an import from a bucket, or a refresh, returns. Plain JSON, so that it can be an XCom.

    The dataset and its counts are there when the task has waited.
    """

    job_id: int
    organization_id: int
    state: Literal["succeeded", "started"]
    url: str
    dataset: NotRequired[str]
    items_before: NotRequired[int]
    items_after: NotRequired[int]
    files_before: NotRequired[int]
    files_after: NotRequired[int]


class DownloadResult(TypedDict):
    """What a download returns. Plain JSON, so that it can be an XCom.

    ``downloaded`` and ``unchanged`` are numbers of files; ``bytes`` is the size of those that were downloaded.
    """

    destination: str
    organization_id: int
    item_count: int
    file_count: int
    downloaded: int
    unchanged: int
    bytes: int


class ModelTestResult(JobResult):
    """What the test of a model has measured. Plain JSON, so that it can be an XCom.

    - ``variant``: the variant of the model that was tested, such as ``int8``;
    - ``accuracy``: from 0 to 1; None when the service reports none, as for a regression;
    - ``samples``, ``correct``: numbers of samples that the accuracy is made of; None when only the accuracy was read;
    - ``ignored``: number of samples that it leaves out, since the model does not know their label;
    - ``accuracy_by_class``: of the 20 classes with the lowest accuracies;
    - ``min_accuracy``: the limit that was set, or None; ``accepted``: whether the model has reached all limits;
    - ``last_accuracy``: of the last accepted model; None when it was not asked for, or there is none.

    Without waiting, it has only the fields of :class:`JobResult`.
    """

    variant: NotRequired[str]
    accuracy: NotRequired[float | None]
    samples: NotRequired[int | None]
    correct: NotRequired[int | None]
    ignored: NotRequired[int | None]
    accuracy_by_class: NotRequired[dict[str, float]]
    min_accuracy: NotRequired[float | None]
    accepted: NotRequired[bool]
    last_accuracy: NotRequired[float | None]


class VersionResult(JobResult):
    """The version of a project that was created. Plain JSON, so that it can be an XCom.

    ``version`` is the number that Studio shows; None when the service does not list versions. ``description`` is what
    was sent, with the token of the run. Without waiting, it has only the fields of :class:`JobResult`.
    """

    version: NotRequired[int | None]
    description: NotRequired[str]


class BuildResult(JobResult):
    """The build of a model, and the file that it was saved as. Plain JSON, so that it can be an XCom.

    ``deployment_version`` identifies the build in the project; ``path`` is the path or URI of its file; ``sha256`` is
    in hexadecimal. Without waiting, it has only the fields of :class:`JobResult`.
    """

    deployment_version: NotRequired[int]
    target: NotRequired[str]
    engine: NotRequired[str]
    model_type: NotRequired[str]
    path: NotRequired[str]
    size_bytes: NotRequired[int]
    sha256: NotRequired[str]


class Failure(TypedDict):
    """A data item or a file that could not be brought up to date, or an item that was not deleted, and why."""

    name: str
    reason: str


class PlanNames(TypedDict):
    """Names of what a dry run would do, each list at most 1,000 long; the counts are those of the summary."""

    create: list[str]
    update: list[str]
    repair: list[str]
    delete: list[str]


class ItemCounts(TypedDict):
    """Numbers of data items, by what happened to them."""

    created: int
    updated: int
    repaired: int
    unchanged: int
    deduplicated: int
    deleted: int
    kept: int
    failed: int


class WorkCounts(TypedDict):
    """Numbers of what was sent, read and requested."""

    files_sent: int
    bytes_sent: int
    bytes_hashed: int
    requests: int
    retries: int
    ambiguous_reconciled: int


class SampleSyncSummary(ItemCounts, WorkCounts):
    """What a sync of samples did. Plain JSON of a bounded size, so that it can be an XCom.

    The keys mean the same as in :class:`SyncSummary`, of samples in the place of data items: names are paths relative
    to the source, and ``listed`` counts the samples of the project. ``updated`` includes files with new content, whose
    sample with the earlier content was removed; ``deleted`` does not. ``categories``: those of the source's files.
    """

    project_id: int
    categories: list[str]
    sync_id: str
    dry_run: bool
    listed: int
    seconds: float
    changed: list[str]
    kept_items: list[Failure]
    failures: list[Failure]
    url: str
    plan: NotRequired[PlanNames]


class SyncSummary(ItemCounts, WorkCounts):
    """What a sync did. Plain JSON of a bounded size, so that it can be an XCom.

    - ``listed``: data items that were in the dataset;
    - ``created``, ``updated``, ``unchanged``, ``repaired`` (left unfinished earlier, or files changed in Studio),
      ``failed``: data items of the source;
    - ``deduplicated``, ``deleted``: data items that were removed;
    - ``kept``: data items that were to be deleted and were not, since they, or their place in the source, had changed
      by then; ``kept_items``: the first 20 with the reasons;
    - ``files_sent``, ``bytes_sent``: of acknowledged files; ``bytes_hashed``: read only to compare;
    - ``ambiguous_reconciled``: requests whose answer was lost, after which the item was checked;
    - ``seconds``: how long it took;
    - ``changed``: names of the items that were created, updated, repaired or deleted, at most 1,000;
    - ``failures``: the first 20; ``url``: the page of the organization's data in Studio.
    """

    dataset: str
    organization_id: int
    sync_id: str
    comparison: str
    dry_run: bool
    listed: int
    seconds: float
    changed: list[str]
    kept_items: list[Failure]
    failures: list[Failure]
    url: str
    plan: NotRequired[PlanNames]


class SampleCounts(TypedDict):
    """Numbers of files, by what happened to them."""

    created: int
    updated: int
    unchanged: int
    skipped: int
    failed: int


class UploadSamplesResult(SampleCounts):
    """What ``upload_samples`` did. Plain JSON of a bounded size, so that it can be an XCom.

    - ``categories``: where the files were to go: ``training``, ``testing``, ``split`` or ``anomaly``;
    - ``created``, ``unchanged``, ``failed``: files;
    - ``updated``: files whose content was there with another label, category or metadata, which were changed;
    - ``skipped``: the same with ``if_exists="skip"``;
    - ``files_sent``, ``bytes_sent``: of files that the service has answered for; ``bytes_hashed``: read only to
      compare;
    - ``seconds``: how long it took;
    - ``failures``: the first 20; ``url``: the page of the project's data in Studio.
    """

    project_id: int
    categories: list[str]
    files_sent: int
    bytes_sent: int
    bytes_hashed: int
    requests: int
    retries: int
    seconds: float
    failures: list[Failure]
    url: str


SAMPLE_COUNTS = tuple(SampleCounts.__annotations__)

ITEM_COUNTS = tuple(ItemCounts.__annotations__)
WORK_COUNTS = tuple(WorkCounts.__annotations__)
PLANNED_ACTIONS = tuple(PlanNames.__annotations__)

#: What the page shows of the results of a project's jobs: of a test, a version, and a build with its file.
TEST_FACTS = ("accuracy", "variant", "samples", "accepted", "min_accuracy")
BUILD_FACTS = ("deployment_version", "target", "engine", "model_type", "path", "size_bytes", "sha256")
MODEL_FACTS = (*TEST_FACTS, "version", *BUILD_FACTS)

#: Data items that files or metadata were sent for, and all that changed in the dataset.
SENT_ITEMS = ("created", "updated", "repaired")
CHANGED_ITEMS = (*SENT_ITEMS, "deduplicated", "deleted")

#: What one shard of a sync returns; the sync's last task adds them up.
SHARD_COUNTS = (*CHANGED_ITEMS, *WORK_COUNTS)

#: What is counted of uploads and syncs alike: data items by what happened to them, and what was sent.
ITEM_OUTCOMES = tuple(dict.fromkeys((*ITEM_COUNTS, *get_args(Outcome))))
COUNTS = (*ITEM_OUTCOMES, "files_sent", "bytes_sent")
NUMBERS = (*COUNTS, "seconds")


def count_changes(summary: SyncSummary | SampleSyncSummary) -> int:
    """Return how many data items or samples were changed or removed."""
    return _total(summary, CHANGED_ITEMS)


def shard_counts(summary: SyncSummary | None) -> dict[str, int]:
    """Return what one shard of a sync returns: the numbers that can be added up.

    :param summary: None for a shard without work.
    """
    return {key: cast("Mapping[str, int]", summary)[key] if summary else 0 for key in SHARD_COUNTS}


def add_shards(summary: SyncSummary, shards: Iterable[Mapping[str, int]]) -> SyncSummary:
    """Return the summary of a whole sync.

    :param summary: of the last run, which finds unchanged what the shards have sent.
    :param shards: what each shard returned.
    """
    shards = list(shards)
    added = {key: _total(summary, [key]) + sum(shard[key] for shard in shards) for key in SHARD_COUNTS}
    sent = sum(_total(shard, SENT_ITEMS) for shard in shards)
    # An item that was changed again since then is counted as sent twice.
    return cast("SyncSummary", {**summary, **added, "unchanged": max(0, summary["unchanged"] - sent)})


def _total(numbers: Any, keys: Iterable[str]) -> int:
    return sum(numbers[key] for key in keys)


@dataclass(frozen=True)
class Counts:
    """Numbers of one or several results, by the keys in ``COUNTS``: ``counts["created"]``.

    :ivar seconds: as syncs report them; uploads report none.
    """

    numbers: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0

    @classmethod
    def read(cls, value: Mapping[Any, Any], limit: int = MAX_NUMBER) -> Counts:
        """Read the numbers of anything that has such keys; what is not a number counts as 0."""
        numbers = {key: number for key in COUNTS if (number := int(clamp_number(value.get(key), limit)))}
        return cls(numbers, clamp_number(value.get("seconds"), limit))

    def __getitem__(self, key: str) -> int:
        if key not in COUNTS:
            raise KeyError(key)
        return self.numbers.get(key, 0)

    def __add__(self, other: Counts) -> Counts:
        sums = {key: number for key in COUNTS if (number := self[key] + other[key])}
        return Counts(sums, self.seconds + other.seconds)

    @property
    def sent_items(self) -> int:
        """Data items that files or metadata were sent for."""
        return _total(self, SENT_ITEMS)

    @property
    def confirmed_items(self) -> int:
        """Data items that were changed, or found to be as they should be."""
        return _total(self, (*CHANGED_ITEMS, "unchanged", "skipped"))

    def to_json(self) -> dict[str, float]:
        """Return all numbers that are not zero, by the keys in ``NUMBERS``."""
        return {**self.numbers, **({"seconds": self.seconds} if self.seconds else {})}


@dataclass(frozen=True)
class Result:
    """What a task returned.

    :ivar item: name of the data item, of a single upload.
    :ivar outcome: of a single upload.
    """

    dataset: str
    organization_id: int | None
    url: str | None
    is_sync: bool
    dry_run: bool
    counts: Counts
    item: str | None = None
    outcome: str | None = None


def read_result(value: object) -> Result | None:
    """Read a return value: of a sync, of an upload, or of several uploads.

    :return: None for anything else, such as the address of a value that an XCom backend keeps elsewhere.
    """
    if isinstance(value, list):
        return _add_results([result for one in value if isinstance(one, Mapping) and (result := read_result(one))])
    if not isinstance(value, Mapping) or not (dataset := read_string(value.get("dataset"))):
        return None
    is_sync = value.get("outcome") is None
    return Result(
        dataset=dataset,
        organization_id=read_id(value.get("organization_id")),
        url=read_string(value.get("url")),
        is_sync=is_sync,
        dry_run=value.get("dry_run") is True,
        counts=Counts.read(value if is_sync else _upload_numbers(value)),
        item=read_string(value.get("name")),
        outcome=read_string(value.get("outcome")),
    )


def _upload_numbers(value: Mapping[Any, Any]) -> dict[str, Any]:
    outcome = value["outcome"]
    if outcome not in get_args(Outcome):
        return {}
    sent = {"files_sent": value.get("file_count"), "bytes_sent": value.get("total_bytes")}
    return {outcome: 1, **(sent if outcome in SENT_ITEMS else {})}


def _add_results(results: list[Result]) -> Result | None:
    if len(results) < 2:
        return results[0] if results else None
    first = results[0]
    return Result(
        dataset=first.dataset,
        organization_id=first.organization_id,
        url=first.url,
        is_sync=first.is_sync,
        dry_run=first.dry_run,
        counts=sum((result.counts for result in results), Counts()),
    )


def is_number(value: object) -> bool:
    """Return whether a value is a number that a task of ours may have written: finite, from 0 to ``MAX_NUMBER``."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_NUMBER


def clamp_number(value: object, limit: int = MAX_NUMBER) -> float:
    """Return a number clamped to 0 and the limit; 0 for anything that is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    if isinstance(value, float) and math.isnan(value):
        return 0
    return min(max(value, 0), limit)


def read_id(value: object) -> int | None:
    """Return the id of an organization, which is a positive whole number, or None."""
    return value if isinstance(value, int) and is_number(value) and value > 0 else None


def read_string(value: object, max_length: int = MAX_STRING_LENGTH) -> str | None:
    """Return a string that can be shown and stored: valid Unicode without NUL, cut to the length; else None."""
    if not isinstance(value, str):
        return None
    text = value if len(value) <= max_length else f"{value[: max_length - 1]}…"
    return text.replace("\0", "\\x00").encode(errors="backslashreplace").decode()
