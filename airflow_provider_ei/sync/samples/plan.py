"""The plan of a sync of samples: a comparison of the source with a listing of the project, page by page.

This is a hash join: the source is indexed by path, and each listed sample of the sync says in its state which file it
was made from. Unchanged samples are counted and dropped, so that only the others are in memory.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.studio.api.samples import Sample
from airflow_provider_ei.sync.metadata import STATE_KEY
from airflow_provider_ei.sync.samples.options import SampleSyncOptions
from airflow_provider_ei.sync.samples.sample_index import SampleIndex, SourceSample, has_same_content
from airflow_provider_ei.sync.samples.sample_state import SampleState, digest_of_values

#: What to do with a file. ``look``: its fingerprint or its sample changed, so the file is read before it is planned if
#: necessary. ``update``: its content changed. ``repair``: somebody changed its sample. ``metadata``: what the sync sets
#: changed. ``renew``: only its fingerprint changed. ``clean``: a sample with earlier content is left over.
Action = Literal["look", "create", "update", "repair", "metadata", "renew", "clean", "unchanged", "fail"]

_IN_STEP, _OWN = 1, 2
_MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Listed:
    """A listed sample of this sync, and its state."""

    sample: Sample
    state: SampleState


@dataclass(frozen=True, slots=True)
class Extra:
    """A sample of this sync that must go, and what must be unchanged when it is deleted.

    :ivar path: of the file that it was made from.
    """

    id: int
    path: str
    sha256: str
    sample: Sample

    @classmethod
    def of(cls, listed: Listed) -> Extra:
        """Keep the parts of a listed sample that its deletion needs."""
        return cls(listed.sample.id, listed.state.path, listed.state.sha256, listed.sample)


@dataclass(frozen=True, slots=True)
class PlannedSample:
    """What to do with one file of the source.

    :ivar source: the file, after it was pinned again.
    :ivar sha256: of the file, in hex; None if it was not needed.
    :ivar listed: the samples of this sync that were made from a file of this path.
    :ivar dropped: the id of another one, which was up to date and therefore not kept.
    :ivar current: the sample with the content of the file.
    :ivar earlier: the samples with earlier content.
    :ivar problem: why the file cannot be uploaded.
    """

    path: str
    action: Action
    source: SourceSample | None = None
    sha256: str | None = None
    listed: Sequence[Listed] = ()
    dropped: int | None = None
    current: Listed | None = None
    earlier: Sequence[Listed] = ()
    problem: EdgeImpulseError | None = None


@dataclass(frozen=True)
class SamplePlan:
    """The whole plan, sorted by path.

    :ivar samples: the files of the source, without unchanged ones.
    :ivar unchanged: number of unchanged files.
    :ivar extras: samples whose file the source no longer has; empty if the sync does not delete.
    :ivar listed: number of samples in the project, in the categories of the sync.
    :ivar own: number of the source's files with a sample of this sync.
    """

    samples: Sequence[PlannedSample]
    unchanged: int
    extras: Sequence[Extra]
    listed: int
    own: int

    def paths(self, *actions: Action) -> list[str]:
        """Return the paths of the files with these actions."""
        return [sample.path for sample in self.samples if sample.action in actions]

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of files by action."""
        counts: Counter[str] = Counter(sample.action for sample in self.samples)
        counts["unchanged"] += self.unchanged
        return counts

    def __str__(self) -> str:
        counts = {**self.counts, "delete": len(self.extras)}
        return ", ".join(f"{count:,} {action}" for action, count in sorted(counts.items()) if count) or "nothing to do"


class SampleComparison:
    """Compares a source with the samples of a project. Create a new one for each listing."""

    def __init__(self, source: SampleIndex, options: SampleSyncOptions) -> None:
        self._source = source
        self._options = options
        self._flags = bytearray(len(source))
        self._ids = array("q", bytes(8 * len(source)))  # of the samples that were not kept, because they are up to date
        self._listed: dict[str, list[Listed]] = {}
        self._dropped: dict[str, int] = {}
        self._extras: list[Extra] = []
        self._count = 0

    def add(self, samples: Iterable[Sample]) -> None:
        """Compare some samples of the project."""
        for sample in samples:
            self._count += 1
            state = SampleState.of(sample)
            if state is not None and state.sync == self._options.sync_id:
                self._add(Listed(sample, state))

    def plan(self) -> SamplePlan:
        """Return the plan, after all samples were added."""
        samples: list[PlannedSample] = []
        own = unchanged = 0
        for position, path in enumerate(self._source):
            flags = self._flags[position]
            own += bool(flags & _OWN)
            if self._source.has_problem(path):
                source = self._source.sample(path)
                samples.append(PlannedSample(path, "fail", source, problem=source.problem))
            elif flags & _IN_STEP and path not in self._listed:
                unchanged += 1
            else:
                listed = self._listed.get(path, ())
                samples.append(PlannedSample(path, "look", listed=listed, dropped=self._dropped.get(path)))
        samples.sort(key=lambda sample: sample.path)
        extras = sorted(self._extras, key=lambda extra: (extra.path, extra.id))
        return SamplePlan(samples, unchanged, extras if self._options.deletes else (), self._count, own)

    def _add(self, listed: Listed) -> None:
        state = listed.state
        position = self._source.position(state.path)
        if position is None:
            if self._options.deletes and self._source.lacks(state.path) and not state.adopted:
                self._extras.append(Extra.of(listed))
            return
        flags = self._flags[position]
        self._flags[position] |= _OWN
        if not flags & _IN_STEP and listed.sample.id <= _MAX_ID and self._is_in_step(position, listed):
            self._flags[position] |= _IN_STEP
            self._ids[position] = listed.sample.id
            if state.path in self._listed:
                self._dropped[state.path] = listed.sample.id
            return
        if flags & _IN_STEP:
            self._dropped[state.path] = self._ids[position]
        self._listed.setdefault(state.path, []).append(listed)

    def _is_in_step(self, position: int, listed: Listed) -> bool:
        look = self._source.look(position)
        return look is not None and listed.state.look == look and listed.state.holds(listed.sample)


def needs_reading(source: SourceSample, listed: Sequence[Listed]) -> bool:
    """Return whether a file must be read to know which sample has its content."""
    return _known_hash(source, listed) is None


def plan_sample(source: SourceSample, listed: Sequence[Listed], sha256: str | None) -> PlannedSample:
    """Plan one file.

    :param listed: the samples of this sync that were made from a file of its path.
    :param sha256: of the file, if it was read.
    """
    if not listed:
        return PlannedSample(source.path, "create", source, sha256)
    sha256 = sha256 or _known_hash(source, listed)
    same = [one for one in listed if one.state.sha256 == sha256]
    # A sample that was made from another one in Studio may have its state. The real one has the file's name.
    same.sort(key=lambda one: (not one.state.names(one.sample), one.sample.id))
    current = same[0] if same else None
    earlier = [one for one in listed if one.state.sha256 != sha256]
    action = "update" if current is None else _action(source, current)
    if action == "unchanged" and earlier:
        action = "clean"
    return PlannedSample(source.path, action, source, sha256, listed, None, current, earlier)


def is_as_wanted(source: SourceSample, sample: Sample) -> bool:
    """Return whether a sample has the category, label and metadata that its file should have."""
    state = SampleState.of(sample)
    metadata = sample.metadata or {}
    stale = () if state is None else (key for key in state.keys - source.metadata.keys() if metadata.get(key))
    return (
        (sample.category, sample.label) == (source.category, source.label)
        and all(metadata.get(key) == value for key, value in source.metadata.items())
        and not any(stale)
    )


def wanted_state(source: SourceSample, sync: str, sha256: str, sample: Sample | None = None) -> SampleState:
    """Return the state of a sample that is as it should be.

    Its keys include those that an earlier state had and that the sample still has, so that another run finds them if
    the service merges metadata and this run ends before it has removed their values.

    :param sample: the sample as it is.
    """
    before = None if sample is None else SampleState.of(sample)
    earlier = frozenset() if before is None else before.keys
    there = frozenset() if sample is None else earlier & (sample.metadata or {}).keys()
    return SampleState(
        path=source.path,
        sync=sync,
        category=source.category,
        label=source.label,
        sha256=sha256,
        look=source.look or "",
        keys=there.union(source.metadata),
        values=digest_of_values(source.metadata),
        adopted=before is not None and before.adopted,
    )


def wanted_metadata(source: SourceSample, sample: Sample, state: SampleState, *, blank: bool) -> dict[str, str]:
    """Return the complete metadata of a sample: those of others, the file's own, and the state.

    :param blank: send keys that are no longer wanted as empty strings, since the service has kept them before.
    """
    before = SampleState.of(sample)
    listed = {key: value for key, value in (sample.metadata or {}).items() if isinstance(value, str)}
    ours = frozenset() if before is None else before.keys
    others = {key: value for key, value in listed.items() if key not in ours and key != STATE_KEY}
    stale = dict.fromkeys(ours - source.metadata.keys(), "") if blank else {}
    return {**others, **stale, **source.metadata, STATE_KEY: state.text()}


def _known_hash(source: SourceSample, listed: Sequence[Listed]) -> str | None:
    look = source.look
    if look is None:
        return None
    return next((one.state.sha256 for one in listed if has_same_content(look, one.state.look)), None)


def _action(source: SourceSample, current: Listed) -> Action:
    if is_as_wanted(source, current.sample):
        return "unchanged" if current.state.look == source.look and current.state.holds(current.sample) else "renew"
    return "repair" if not current.state.holds(current.sample) else "metadata"
