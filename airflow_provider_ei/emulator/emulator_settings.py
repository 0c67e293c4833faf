"""The settings of the emulator, with a switch for each unknown behavior of the real service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

DuplicateNames = Literal["new_id", "reject", "merge"]
WrongKeyStatus = Literal[401, 403, 200]
MetadataUpdate = Literal["replace", "merge"]
FileNames = Literal["utf8", "latin1"]
FileFolders = Literal["keep", "drop"]
FileQuotes = Literal["decode", "keep"]
TrailingBackslash = Literal["keep", "drop_file"]
NameForm = Literal["raw", "nfc", "trim", "collapse"]
ListingOrder = Literal["oldest", "newest", "name"]
ListingOffset = Literal["honored", "ignored"]
Filters = Literal["supported", "rejected", "ignored"]
FileListing = Literal["available", "missing", "slow"]
Archive = Literal["zip", "tar"]
OrganizationKeyInProjects = Literal["reject", "accept"]
ConcurrentJobs = Literal["run", "reject"]
JobCategories = Literal["by_kind", "same"]
Builds = Literal["by_version", "latest_only"]
AccuracyUnit = Literal["fraction", "percent"]
ClassifyMetrics = Literal["available", "missing"]
PartialTransformation = Literal["stop", "import"]
ProjectHmacKey = Literal["optional", "required"]
SampleNames = Literal["without_extension", "as_sent"]
SampleHashes = Literal["file", "other"]
SampleOrder = Literal["newest", "oldest"]
IngestionErrors = Literal["text", "json"]

CHOICES: dict[str, tuple[Any, ...]] = {
    "duplicate_names": get_args(DuplicateNames),
    "wrong_key_status": get_args(WrongKeyStatus),
    "metadata_update": get_args(MetadataUpdate),
    "file_names": get_args(FileNames),
    "file_folders": get_args(FileFolders),
    "file_quotes": get_args(FileQuotes),
    "trailing_backslash": get_args(TrailingBackslash),
    "name_form": get_args(NameForm),
    "listing_order": get_args(ListingOrder),
    "listing_offset": get_args(ListingOffset),
    "filters": get_args(Filters),
    "file_listing": get_args(FileListing),
    "archive": get_args(Archive),
    "organization_key_in_projects": get_args(OrganizationKeyInProjects),
    "concurrent_jobs": get_args(ConcurrentJobs),
    "job_categories": get_args(JobCategories),
    "builds": get_args(Builds),
    "accuracy_unit": get_args(AccuracyUnit),
    "classify_metrics": get_args(ClassifyMetrics),
    "partial_transformation": get_args(PartialTransformation),
    "project_hmac_key": get_args(ProjectHmacKey),
    "sample_names": get_args(SampleNames),
    "sample_hashes": get_args(SampleHashes),
    "sample_order": get_args(SampleOrder),
    "ingestion_errors": get_args(IngestionErrors),
}
"""The switches with named values, and these values; the first one is the default."""


@dataclass(slots=True)
class EmulatorSettings:
    """The keys, the organization, and a switch for each unknown behavior of the real service.

    The switches can be assigned while the server runs, and apply from the next request. The keys and the
    organization cannot change while it runs.

    :param api_key: the key of the organization.
    :param organization_id: the organization of that key.
    :param project_api_key: the key of the first project, whose id is 1.
    :param duplicate_names: the result of ``data/add`` if the name exists in the dataset: a second item, an error, or
        the files and metadata added to the existing item, whose id is returned.
    :param wrong_key_status: HTTP status for a wrong key; the body has ``success: false`` in each case.
    :param metadata_update: whether an update replaces the metadata of an item or a sample, or merges into it.
    :param file_names: the encoding of an uploaded file's name.
    :param file_folders: whether an uploaded file keeps the folders in its name, or is stored under what follows the
        last ``/`` or ``\\``. If two files of an item then have the same name, the later one replaces the other.
    :param file_quotes: whether ``%22`` in an uploaded file's name is decoded to ``"`` (and ``%0D`` and ``%0A`` to line
        breaks), or kept.
    :param trailing_backslash: whether an uploaded file whose name ends with a backslash is stored, or dropped without
        an error.
    :param name_form: how names of items, datasets and uploaded files are stored: as sent, in Unicode's form NFC,
        without surrounding whitespace, or also with each run of whitespace as one space. Queries compare with the
        stored name.
    :param listing_order: whether items are listed oldest first, newest first, or by name.
    :param listing_offset: whether a listing begins at the requested offset, or always at its first item.
    :param listing_totals: whether a listing includes the numbers of items and files.
    :param listing_delay_seconds: how long a new item is missing in listings. By its id, it is found at once.
    :param filters: whether listings apply a filter, report every filter as one that cannot be parsed, or ignore it.
    :param file_listing: whether items can be listed together with their files. Otherwise the request gets status 404,
        or 504, as from a proxy that does not wait for a slow service.
    :param archive: the format of a downloaded item: a ZIP, as in the contract, or a tar with the files inside the
        item's bucket path, as the newest official command line expects.
    :param organization_key_in_projects: whether the organization's key can be used for its projects.
    :param concurrent_jobs: whether a job can start while another one of its kind is active in the same project.
    :param job_categories: whether the ``category`` of a job tells its kind, or is the same for all jobs.
    :param builds: whether the answer to a build has its ``deploymentVersion``, by which the build can be downloaded, or
        the service is an old one, which only knows the latest build of a target.
    :param accuracy_unit: whether test results give the accuracy from 0 to 1, or from 0 to 100.
    :param classify_metrics: whether the experimental metrics of all variants are available.
    :param partial_transformation: whether results are imported into a project although some inputs have failed.
    :param project_hmac_key: whether an import into a project needs ``projectHmacKey``.
    :param sample_names: whether the name of a sample is that of its file without the extension, or with it.
    :param sample_hashes: whether ``sha256Hash`` of a sample is that of its file, or that of the form in which the
        service stores it. Duplicates are found by the file either way.
    :param sample_order: the order in which samples are listed unless ``sortBy`` says otherwise.
    :param ingestion_errors: whether the ingestion service's response to a request that it refuses is a text, or JSON
        with ``success: false``.
    :param max_sample_bytes: the size of a file above which the ingestion service refuses it.
    :param job_queued_seconds: how long a job waits before it starts, unless it has a plan of its own.
    :param job_running_seconds: how long a job runs, unless it has a plan of its own.
    :param max_request_bytes: larger requests get status 413, as from a proxy before the service; 0 means no limit.
    :param latency_seconds: delay of every API request.
    :raises ValueError: for an invalid value, also on assignment.
    """

    api_key: str = field(default="ei_emulator", repr=False)
    organization_id: int = 1
    project_api_key: str = field(default="ei_emulator_project", repr=False)
    duplicate_names: DuplicateNames = "new_id"
    wrong_key_status: WrongKeyStatus = 401
    metadata_update: MetadataUpdate = "replace"
    file_names: FileNames = "utf8"
    file_folders: FileFolders = "keep"
    file_quotes: FileQuotes = "decode"
    trailing_backslash: TrailingBackslash = "keep"
    name_form: NameForm = "raw"
    listing_order: ListingOrder = "oldest"
    listing_offset: ListingOffset = "honored"
    listing_totals: bool = True
    listing_delay_seconds: float = 0.0
    filters: Filters = "supported"
    file_listing: FileListing = "available"
    archive: Archive = "zip"
    organization_key_in_projects: OrganizationKeyInProjects = "reject"
    concurrent_jobs: ConcurrentJobs = "run"
    job_categories: JobCategories = "by_kind"
    builds: Builds = "by_version"
    accuracy_unit: AccuracyUnit = "fraction"
    classify_metrics: ClassifyMetrics = "available"
    partial_transformation: PartialTransformation = "stop"
    project_hmac_key: ProjectHmacKey = "optional"
    sample_names: SampleNames = "without_extension"
    sample_hashes: SampleHashes = "file"
    sample_order: SampleOrder = "newest"
    ingestion_errors: IngestionErrors = "text"
    max_sample_bytes: int = 100 << 20
    job_queued_seconds: float = 0.2
    job_running_seconds: float = 1.0
    max_request_bytes: int = 0
    latency_seconds: float = 0.0

    def __setattr__(self, name: str, value: Any) -> None:
        _check(name, value)
        object.__setattr__(self, name, value)

    def switches(self) -> dict[str, Any]:
        """Return the switches and their values: all settings except the keys and the organization."""
        fixed = ("api_key", "organization_id", "project_api_key")
        return {name: value for name, value in asdict(self).items() if name not in fixed}

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set several switches, all of them or none.

        :raises ValueError: for a name that is not a switch, or an invalid value.
        """
        known = self.switches()
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"{name} is not a switch; the switches are {', '.join(known)}")
            _check(name, value)
        for name, value in changes.items():
            setattr(self, name, value)


def _check(name: str, value: Any) -> None:
    if name in CHOICES:
        if isinstance(value, bool) or value not in CHOICES[name]:
            raise ValueError(f"{name} must be one of {', '.join(map(str, CHOICES[name]))}")
    elif name in ("latency_seconds", "listing_delay_seconds", "job_queued_seconds", "job_running_seconds"):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e9:
            raise ValueError(f"{name} must be a number of seconds, from 0 to 1e9")
    elif name == "max_request_bytes":
        if type(value) is not int or value < 0:
            raise ValueError("max_request_bytes must be a number of bytes, or 0")
    elif name == "max_sample_bytes":
        if type(value) is not int or value < 1:
            raise ValueError("max_sample_bytes must be a number of bytes, of 1 or more")
    elif name == "listing_totals":
        if not isinstance(value, bool):
            raise ValueError("listing_totals must be true or false")
    elif name in ("api_key", "project_api_key") and not value:
        raise ValueError(f"{name} must not be empty")
