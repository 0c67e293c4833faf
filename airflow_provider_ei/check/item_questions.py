"""Questions about data items: duplicates, files, metadata, and the answers to requests that fail."""

from __future__ import annotations

from airflow_provider_ei.check.questions import NotKnownError, Question, Value
from airflow_provider_ei.check.trial import MAX_METADATA_BYTES, PLAIN, PLAIN_AGAIN, REFUSED, Trial
from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseRefusedError


def _writes(trial: Trial) -> Value:
    try:
        trial.manifest  # noqa: B018 - creates an item
    except EdgeImpulseAuthError:
        return False
    return True


def _duplicate_names(trial: Trial) -> Value:
    first, second = trial.twice
    if second is None:
        return "reject"
    if second == first:
        return "merge"
    try:
        trial.service.api.get_data_item(first)
    except EdgeImpulseRefusedError:
        return "replace"
    return "new_id"


def _same_file(trial: Trial) -> Value:
    sizes = trial.plain_sizes
    if sizes is None:
        return REFUSED
    known = {(PLAIN_AGAIN.size,): "replace", (PLAIN.size,): "keep", (PLAIN.size, PLAIN_AGAIN.size): "both"}
    return known.get(tuple(sorted(sizes)), "other")


def _metadata_update(trial: Trial) -> Value:
    metadata = trial.updated_metadata
    if metadata.get("second") != "2":
        return "other"
    return "merge" if "first" in metadata else "replace"


def _archive(trial: Trial) -> Value:
    begin = trial.archive_begin
    if not begin:
        return REFUSED
    return "zip" if begin.startswith(b"PK") else "tar" if begin[257:262] == b"ustar" else "other"


def _wrong_key_status(trial: Trial) -> Value:
    if trial.wrong_key.succeeded:
        raise NotKnownError("a made-up key was accepted")
    return trial.wrong_key.status


def _empty_dataset(trial: Trial) -> Value:
    if trial.leftovers:
        raise NotKnownError("the check's dataset is not empty")
    service = trial.service
    datasets = service.need(service.probe.get("getOrganizationInfo", service.path)).get("datasets")
    if not isinstance(datasets, list):
        raise NotKnownError("the service does not list the datasets")
    names = [dataset.get("dataset") for dataset in datasets if isinstance(dataset, dict)]
    return "stays" if trial.dataset in names else "gone"


_REPORT = "Please report this result."

QUESTIONS: tuple[Question[Trial], ...] = (
    Question(
        "writes",
        "May the key create data items?",
        _writes,
        {True: "Yes.", False: "Uploads need this right: use a key with another role."},
    ),
    Question(
        "duplicate_names",
        "What happens to a second item of the same name?",
        _duplicate_names,
        {
            "new_id": "There are two. Uploads look for the name first, and remove copies that are proven to be copies.",
            "reject": "It is refused, so there are no duplicates.",
            "merge": "Its files and metadata are added to the first one.",
            "replace": "It replaces the first one. Please report this result.",
        },
        _REPORT,
    ),
    Question(
        "same_file",
        "What happens to a second file of the same name?",
        _same_file,
        {"replace": "It replaces the first one, as uploads assume."},
        "Changed files cannot be updated as uploads do it: such uploads fail. Please report this result.",
    ),
    Question(
        "metadata_update",
        "Does an update of metadata remove the keys that it does not have?",
        _metadata_update,
        {
            "replace": "Yes.",
            "merge": "No: a key that you remove stays, with an empty value.",
        },
        _REPORT,
    ),
    Question(
        "no_metadata",
        "Is an item without metadata taken?",
        lambda trial: trial.no_metadata,
        {True: "Yes. Uploads add their own key anyway.", False: "No. Uploads add their own key anyway."},
    ),
    Question(
        "max_metadata_bytes",
        "How long may a metadata value be, in bytes?",
        lambda trial: trial.longest_value,
        {MAX_METADATA_BYTES: "At least this long.", 0: "Values of 1,024 bytes are not kept: use shorter ones."},
        "Twice as long is not kept: use shorter values.",
    ),
    Question(
        "empty_file",
        "What happens to an empty file?",
        lambda trial: trial.empty_file,
        {"stored": "It is stored."},
        "It is not stored: exclude empty files, or their uploads fail.",
    ),
    Question(
        "listing_delay_seconds",
        "After how many seconds is a new item listed?",
        lambda trial: trial.listing_delay,
        {0.0: "At once."},
        "Set settle_seconds of the connection to twice as much, unless it is more already; --save does that for you.",
    ),
    Question(
        "wrong_key_status",
        "Which status does a wrong key get?",
        _wrong_key_status,
        otherwise="Uploads recognize it, and do not try again.",
    ),
    Question(
        "missing_item_status",
        "Which status does an item get that does not exist?",
        lambda trial: trial.missing_item.status,
        otherwise="Uploads recognize it.",
    ),
    Question(
        "archive",
        "In which format is an item downloaded?",
        _archive,
        {"zip": "As a ZIP file.", "tar": "As a tar file."},
        "Uploads do not need it.",
    ),
)

#: Asked at the very end.
EMPTY_DATASET = Question(
    "empty_dataset",
    "What happens to a dataset without items?",
    _empty_dataset,
    {"stays": "It stays, and so does that of this check: hide it in Studio.", "gone": "It is gone."},
)
