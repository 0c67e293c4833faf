"""Projects: their keys, models, test results, versions and deployments."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from airflow_provider_ei.emulator.stored_data import StoreError

KeyRole = Literal["admin", "readonly", "ingestiononly", "ingestion_deployment"]
KEY_ROLES: tuple[KeyRole, ...] = get_args(KeyRole)

ClassResults = Mapping[str, tuple[int, int]]
"""The numbers of samples that the model has classified right and wrong, for each label."""

IMPULSE_ID = 1
"""The id of the only impulse of each project."""

_DEFAULT_RESULTS: dict[str, ClassResults] = {
    "int8": {"idle": (46, 4), "walking": (44, 6)},
    "float32": {"idle": (47, 3), "walking": (45, 5)},
}
_FIRMWARE_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class ModelResults:
    """The results of a model on the test data.

    :param variants: the results of each variant of the model.
    :param ignored: the number of test samples whose label the model does not know. They are not in its accuracy.
    """

    variants: Mapping[str, ClassResults] = field(default_factory=lambda: dict(_DEFAULT_RESULTS))
    ignored: int = 0

    def accuracy(self, variant: str) -> float:
        """Return the accuracy of a variant, from 0 to 1."""
        good, bad = self.totals(variant)
        return good / (good + bad) if good + bad else 0.0

    def totals(self, variant: str) -> tuple[int, int]:
        """Return the numbers of samples that a variant has classified right and wrong."""
        results = self.variants[variant].values()
        return sum(good for good, _ in results), sum(bad for _, bad in results)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A build that has ended with success."""

    version: int
    type: str
    engine: str
    model_type: str
    created: float
    model_version: int

    def firmware(self, project_id: int) -> bytes:
        """Return the bytes of the build, a ZIP: always the same for this build, and different for every other."""
        generator = random.Random(f"{project_id} {self.version}")
        text = f"project {project_id}\nbuild {self.version}\nmodel {self.model_version}\n{self.type} {self.engine}\n"
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, data in (
                ("build.txt", text.encode()),
                ("tflite-model/trained.tflite", generator.randbytes(_FIRMWARE_BYTES)),
            ):
                archive.writestr(zipfile.ZipInfo(name), data)
        return content.getvalue()


@dataclass(frozen=True, slots=True)
class ProjectVersion:
    """A version of a project; ``accuracy`` is that of its last test, from 0 to 1."""

    id: int
    description: str
    public: bool
    created: float
    accuracy: float | None


@dataclass(slots=True, eq=False)
class Project:
    """A project. Times are in seconds since 1970.

    :ivar results: the results that the next test of the model finds.
    :ivar tested: the results that the last test has found; None before the first one.
    :ivar model_version: the number of trainings of the model.
    :ivar samples: the number of samples that transformation jobs have imported.
    :ivar last_build: the highest version of a build, also of one that has not ended.
    """

    id: int
    name: str
    api_key: str = field(repr=False)
    created: float
    role: KeyRole = "admin"
    key_expires: float | None = None
    results: ModelResults = field(default_factory=ModelResults)
    tested: ModelResults | None = None
    evaluated: ModelResults | None = None
    model_version: int = 1
    last_modified: float = 0.0
    samples: int = 0
    last_build: int = 0
    deployments: list[Deployment] = field(default_factory=list)
    versions: list[ProjectVersion] = field(default_factory=list)

    def retrain(self, now: float) -> None:
        """Train the model again. Builds of the model before no longer fit the project."""
        self.model_version += 1
        self.last_modified = now

    def reserve_build(self) -> int:
        """Return the version of a build that begins."""
        self.last_build += 1
        return self.last_build

    def finish_build(self, version: int, type: str, engine: str, model_type: str, now: float) -> None:
        """Add a build that has ended with success."""
        self.deployments.append(Deployment(version, type, engine, model_type, now, self.model_version))

    def find_deployment(self, type: str, engine: str | None, model_type: str | None) -> Deployment | None:
        """Return the last build that fits the project, for a target, an engine and a model type; None matches all."""
        for deployment in reversed(self.deployments):
            wanted = ((type, deployment.type), (engine, deployment.engine), (model_type, deployment.model_type))
            if deployment.model_version == self.model_version and all(one in (None, other) for one, other in wanted):
                return deployment
        return None

    def deployment(self, version: int) -> Deployment:
        """Return a build by its version.

        :raises StoreError: if no build of this version has ended with success.
        """
        for deployment in self.deployments:
            if deployment.version == version:
                return deployment
        raise StoreError(f"Deployment version {version} not found")

    def add_version(self, description: str, public: bool, now: float) -> None:
        """Add a version of the project."""
        accuracy = None if self.tested is None else self.tested.accuracy(next(iter(self.tested.variants)))
        self.versions.append(ProjectVersion(len(self.versions) + 1, description, public, now, accuracy))
