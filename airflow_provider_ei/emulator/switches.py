"""The switches: one for each thing nobody knows about the real service."""

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
Archive = Literal["zip", "tar"]

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
    "archive": get_args(Archive),
}
"""The switches that choose between named ways, with their ways; the first one is the default."""


@dataclass(slots=True)
class EmulatorSettings:
    """Who the emulator is, and how it plays what is unknown about the real service.

    The switches may be assigned while the server runs; the next request follows them. The key and the
    organization are fixed once it runs.

    :param api_key: the one key the API accepts.
    :param organization_id: the one organization that key belongs to.
    :param duplicate_names: what ``data/add`` does when the dataset has an item of that name: make a second
        item, answer with an error, or add files and metadata to the item that is there and return its id.
    :param wrong_key_status: HTTP status for a wrong key; the body is ``success: false`` each time.
    :param metadata_update: whether an update of an item replaces its metadata or merges into it.
    :param file_names: how the bytes of an uploaded file's name are decoded.
    :param file_folders: whether an uploaded file keeps the folders of its name, or is stored under what follows the
        last ``/`` or ``\\``. Two files of one item that then have the same name: the later one replaces the other.
    :param file_quotes: whether ``%22`` in an uploaded file's name is decoded to ``"`` (and ``%0D`` and ``%0A`` to
        line ends), or kept.
    :param trailing_backslash: whether an uploaded file whose name ends with a backslash is stored, or dropped without
        an error.
    :param name_form: how names of items, datasets and uploaded files are stored: as sent, in Unicode's form NFC,
        without surrounding white space, or with each run of white space as one blank as well. Queries compare with
        what is stored.
    :param listing_order: whether items are listed the oldest first, the newest first, or by name.
    :param listing_offset: whether a listing begins at the offset that is asked for, or always at its first item.
    :param listing_totals: whether a listing tells how many items and files there are.
    :param archive: what the download of a whole item is: a ZIP, as the contract says, or a tar with the files below
        the item's bucket path, as the newest official command line expects.
    :param max_request_bytes: larger requests are answered with 413, as by a proxy before the service; 0 for no limit.
    :param latency_seconds: added to every API request.
    :raises ValueError: for a value that is none of a switch's ways, also on later assignment.
    """

    api_key: str = field(default="ei_emulator", repr=False)
    organization_id: int = 1
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
    archive: Archive = "zip"
    max_request_bytes: int = 0
    latency_seconds: float = 0.0

    def __setattr__(self, name: str, value: Any) -> None:
        _check(name, value)
        object.__setattr__(self, name, value)

    def switches(self) -> dict[str, Any]:
        """The switches and their values: everything but the key and the organization."""
        fixed = ("api_key", "organization_id")
        return {name: value for name, value in asdict(self).items() if name not in fixed}

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set several switches, all of them or none.

        :raises ValueError: for a name that is no switch, or a value it cannot take.
        """
        known = self.switches()
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"no such switch: {name}")
            _check(name, value)
        for name, value in changes.items():
            setattr(self, name, value)


def _check(name: str, value: Any) -> None:
    if name in CHOICES:
        if isinstance(value, bool) or value not in CHOICES[name]:
            raise ValueError(f"{name} must be one of {', '.join(map(str, CHOICES[name]))}")
    elif name == "latency_seconds":
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e9:
            raise ValueError("latency_seconds must be a number of seconds, from 0 to 1e9")
    elif name == "max_request_bytes":
        if type(value) is not int or value < 0:
            raise ValueError("max_request_bytes must be a number of bytes, or 0")
    elif name == "listing_totals":
        if not isinstance(value, bool):
            raise ValueError("listing_totals must be true or false")
    elif name == "api_key" and not value:
        raise ValueError("api_key must not be empty")
