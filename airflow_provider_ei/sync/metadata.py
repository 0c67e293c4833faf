"""The flat metadata of a data item: what users give, and the marks that this package keeps beside it.

The marks make uploads safe to repeat. They say that the item is ours, whether its upload was completed, and with
what content, so that any worker can go on where another stopped without remembering anything itself.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral, Real

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.sync.names import check_characters

MARK_PREFIX = "airflow_ei_"
OWNER_MARK = "airflow_ei_owner"
STATE_MARK = "airflow_ei_state"
FILES_MARK = "airflow_ei_files"
KEYS_MARK = "airflow_ei_keys"
RUN_MARK = "airflow_ei_run"
SYNC_MARK = "airflow_ei_sync"
FINGERPRINT_MARK = "airflow_ei_fingerprint"

OWNER = "airflow-provider-ei"
PENDING = "pending"

_INJECTED = "dataItemInfo"
_CHECKLIST_PREFIX = "ei_check"
_CHECK = re.compile(r"ei_check(_.+)?", re.DOTALL)


def metadata_texts(metadata: object, *, checks: bool = False) -> dict[str, str]:
    """Return a user's metadata as the service takes it: text to text.

    ``True`` becomes ``true``, numbers what JSON writes for them.

    :param checks: take Edge Impulse's own keys of checklists, ``ei_check`` and ``ei_check_…``, with 0 or 1.
    :raises EdgeImpulseInputError: for keys that are no text, are empty or reserved, and for values that are no scalar.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise EdgeImpulseInputError(
            f"metadata must be a dict of scalars, not {type(metadata).__name__}: {str(metadata)[:80]!r}."
        )
    texts = {}
    for key, value in metadata.items():
        if not isinstance(key, str) or not key.strip():
            raise EdgeImpulseInputError(f"metadata: the key {key!r} is no text or is empty.")
        check_characters("metadata: the key", key)
        if checks and _CHECK.fullmatch(key):
            texts[key] = _check(key, value)
            continue
        if key == _INJECTED or key.startswith((_CHECKLIST_PREFIX, MARK_PREFIX)):
            raise EdgeImpulseInputError(
                f"metadata: the key {key!r} is reserved ({_INJECTED}, {_CHECKLIST_PREFIX}… by Edge Impulse, "
                f"{MARK_PREFIX}… by this package). Use another one."
            )
        texts[key] = _text(key, value)
    return texts


def _check(key: str, value: object) -> str:
    if isinstance(value, bool) or value not in (0, 1, "0", "1"):
        raise EdgeImpulseInputError(f"metadata[{key!r}] must be 0 or 1, not {str(value)[:80]!r}.")
    return value if isinstance(value, str) else str(int(value))


def _text(key: str, value: object) -> str:
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()  # a scalar of numpy or pandas
    if isinstance(value, str):
        if "\0" in value:
            raise EdgeImpulseInputError(f"metadata[{key!r}] contains a NUL character.")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise EdgeImpulseInputError(f"metadata[{key!r}] contains bytes that are no UTF-8.") from None
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real) and _is_finite(value):
        return json.dumps(float(value))
    if value is None:
        raise EdgeImpulseInputError(f"metadata[{key!r}] is None. Leave the key out, or give a text.")
    raise EdgeImpulseInputError(
        f"metadata[{key!r}] is no scalar but {type(value).__name__}: {str(value)[:80]!r}. Metadata is flat: give a "
        "text, a finite number or a bool, or several keys."
    )


def _is_finite(value: Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a fraction beyond what a float holds
        return False


@dataclass(frozen=True)
class Marks:
    """What a listed item's metadata says about its upload.

    :ivar ours: this package made or adopted the item.
    :ivar state: ``pending``, or the digest that was written when the upload was complete.
    :ivar run: the run that is uploading it, while it is pending.
    :ivar files: digest of the files alone; None unless complete.
    :ivar keys: the metadata keys that we wrote; others are someone else's and stay.
    :ivar sync: the dataset sync that the item belongs to, if any.
    :ivar fingerprint: what the files looked like, without reading them, when they had this content; None when it was
        written for another content.
    """

    ours: bool
    state: str | None
    run: str | None
    files: str | None
    keys: frozenset[str]
    sync: str | None
    fingerprint: str | None

    @property
    def complete(self) -> bool:
        """True when an upload by this package has ended and none has begun since."""
        return self.ours and bool(self.state) and self.state != PENDING

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> Marks:
        """Read the marks of a listed item."""
        ours = metadata.get(OWNER_MARK) == OWNER
        state = metadata.get(STATE_MARK) if ours else None
        files = metadata.get(FILES_MARK) if state and state != PENDING else None
        run = metadata.get(RUN_MARK) if state == PENDING else None
        fingerprint, _, its_state = metadata.get(FINGERPRINT_MARK, "").partition(":")
        return cls(
            ours,
            state,
            run,
            files,
            _listed_keys(metadata.get(KEYS_MARK, "")) if ours else frozenset(),
            sync=metadata.get(SYNC_MARK) or None if ours else None,
            fingerprint=fingerprint if files and its_state == state else None,
        )


def pending_metadata(
    listed: Mapping[str, str], wanted: Mapping[str, str], *, run: str, sync: str | None = None
) -> dict[str, str]:
    """Return the whole map that says: ours, and being uploaded by this run.

    An item that is new (nothing listed) gets the user's metadata at once; on one that is there, they change last.

    :param sync: the dataset sync that it belongs to.
    """
    kept = {key: value for key, value in listed.items() if key != _INJECTED} or dict(wanted)
    keys = Marks.of(listed).keys if listed else frozenset(wanted)
    marks = {OWNER_MARK: OWNER, STATE_MARK: PENDING, RUN_MARK: run, KEYS_MARK: _json_list(keys)}
    return kept | marks | ({SYNC_MARK: sync} if sync else {})


def complete_metadata(
    listed: Mapping[str, str],
    wanted: Mapping[str, str],
    *,
    state: str,
    files: str,
    sync: str | None = None,
    fingerprint: str | None = None,
) -> dict[str, str]:
    """Return the whole map that says: ours, and complete with this content.

    Keys of others stay. Keys that we wrote earlier and that are wanted no longer are left out; if the service merges
    metadata, they are there again in the next listing, and then are sent as empty texts, since nothing removes them.

    :param state: digest of files and metadata.
    :param files: digest of the files alone.
    :param sync: the dataset sync that it belongs to; None leaves it in the one that it is in.
    :param fingerprint: what the files look like without reading them. It is kept together with the state, so that one
        that a merging service keeps beside a later state counts for nothing.
    """
    before = Marks.of(listed)
    stale = stale_keys(listed, wanted)
    foreign = {
        key: value
        for key, value in listed.items()
        if key not in before.keys and key != _INJECTED and not key.startswith(MARK_PREFIX)
    }
    blank = dict.fromkeys(stale, "") if before.state == state else {}
    keys = _json_list(stale.union(wanted))
    marks = {OWNER_MARK: OWNER, STATE_MARK: state, FILES_MARK: files, KEYS_MARK: keys}
    if sync or before.sync:
        marks[SYNC_MARK] = sync or before.sync or ""
    if fingerprint:
        marks[FINGERPRINT_MARK] = f"{fingerprint}:{state}"
    return foreign | blank | dict(wanted) | marks


def stale_keys(listed: Mapping[str, str], wanted: Mapping[str, str]) -> frozenset[str]:
    """Return the keys that we wrote, that are wanted no longer, and that still carry a value."""
    return frozenset(key for key in Marks.of(listed).keys - wanted.keys() if listed.get(key))


def carries(listed: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether a listed item has every wanted value, and none of ours that is wanted no longer."""
    return all(listed.get(key) == value for key, value in wanted.items()) and not stale_keys(listed, wanted)


@lru_cache(maxsize=256)  # most items of a dataset have the same ones
def _listed_keys(text: str) -> frozenset[str]:
    try:
        keys = json.loads(text)
    except (ValueError, RecursionError):
        return frozenset()  # someone has edited it
    return frozenset(key for key in keys if isinstance(key, str)) if isinstance(keys, list) else frozenset()


def _json_list(keys: frozenset[str]) -> str:
    return json.dumps(sorted(keys), ensure_ascii=False, separators=(",", ":"))
