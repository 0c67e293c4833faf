"""Uploads of samples, and what an emulated project has after them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_provider_ei.emulator import StoredSample
from airflow_provider_ei.samples.options import UploadOptions
from airflow_provider_ei.samples.sample_file import Annotation, SampleFile
from airflow_provider_ei.samples.upload import SampleUpload
from airflow_provider_ei.studio.api.ingestion import IngestionApi
from airflow_provider_ei.studio.api.samples import SamplesApi
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from tests.support.files import MadeUpFile
from tests.support.samples import PROJECT, csv

from .lab import SETTLE_SECONDS, FaultLab


class Wanted(NamedTuple):
    """A sample as the project should have it."""

    label: str
    category: str = "training"
    metadata: tuple[tuple[str, str], ...] = ()


class Kept(NamedTuple):
    """A sample as the project has it, but for its id."""

    name: str
    data: bytes
    label: str
    category: str
    metadata: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Files:
    """What a run uploads: contents and what is wanted of each, by name."""

    contents: Mapping[str, bytes]
    wanted: Mapping[str, Wanted] = field(default_factory=dict)

    def samples(self) -> list[SampleFile]:
        return [
            SampleFile(
                name, MadeUpFile(name, data), Annotation(wanted.category, wanted.label, metadata=wanted.metadata)
            )  # type: ignore[arg-type]
            for name, data in self.contents.items()
            for wanted in [self.wanted[name]]
        ]


CONTENTS = {"1.csv": csv(1), "2.csv": csv(2), "3.csv": csv(3)}
OLD = {"1.csv": Wanted("idle"), "2.csv": Wanted("idle"), "3.csv": Wanted("walking", metadata=(("site", "1"),))}
NEW = {
    "1.csv": Wanted("idle"),
    "2.csv": Wanted("running", "testing", (("site", "2"),)),
    "3.csv": Wanted("walking", metadata=(("site", "3"),)),
    "4.csv": Wanted("running", "testing", (("site", "2"),)),
}
FILES = {"A": Files(CONTENTS, OLD), "B": Files({**CONTENTS, "4.csv": csv(4)}, NEW)}

#: What only "B" uploads, and what an upload of "A" leaves alone.
FROM_OTHER_RUNS = {Kept("4.csv", csv(4), *NEW["4.csv"])}


class SampleLab(FaultLab):
    """An emulator with a project that many cases use in turn."""

    def state(self) -> Any:
        """Return the project's samples, in the order of their ids."""
        return tuple(self._kept(sample) for sample in self.server.samples.list())

    def put(self, state: Any) -> None:
        """Let the project have these samples as well; no request."""
        for one in state:
            metadata = dict(one.metadata)
            self.server.samples.put(one.name, one.data, label=one.label, category=one.category, metadata=metadata)

    def _kept(self, sample: StoredSample) -> Kept:
        data = self.server.samples.read(sample.id)
        return Kept(sample.file_name, data, sample.label, sample.category, tuple(sorted(sample.metadata.items())))

    @contextmanager
    def sample_apis(self, **settings: Any) -> Iterator[tuple[SamplesApi, IngestionApi]]:
        values = {"api_key": self.server.project_api_key, "base_url": self.server.url, "read_timeout": 30.0}
        values |= {"retry_wait": 0.0, "settle_seconds": SETTLE_SECONDS, **settings}
        studio = StudioSettings(**values)
        ingestion = studio.for_ingestion(self.server.ingestion_url)
        with (
            HttpClient(studio, connections=4, sleep=self.sleep) as http,
            HttpClient(ingestion, connections=4, sleep=self.sleep) as other,
        ):
            yield SamplesApi(http, PROJECT), IngestionApi(other)

    def upload_samples(self, files: Files, *, workers: int = 1, if_exists: str = "update", **settings: Any) -> Any:
        """One run of the product."""
        options = UploadOptions.check(category="training", workers=workers, if_exists=if_exists)
        with self.sample_apis(**settings) as (api, ingestion):
            return SampleUpload(api, ingestion, files.samples(), options, url="").run()

    def sample_problem(self, files: Files, others: Sequence[Kept] = ()) -> str | None:
        """Say in what the project differs from these files and the others; None when in nothing."""
        found: dict[bytes, list[Kept]] = {}
        for one in self.state():
            found.setdefault(one.data, []).append(one)
        for name, data in files.contents.items():
            same = found.pop(data, [])
            if not same:
                return f"lost: {name}"
            if len(same) > 1:
                return f"doubled: {name}"
            wanted = files.wanted[name]
            if (same[0].label, same[0].category) != (wanted.label, wanted.category):
                return f"wrong label: {name} {same[0]}"
            if not set(wanted.metadata) <= set(same[0].metadata):
                return f"wrong metadata: {name} {same[0]}"
        left = {one for ones in found.values() for one in ones} - set(others) - FROM_OTHER_RUNS
        return f"wrong content: {left}" if left else None
