"""A running emulator, and a client that checks every answer against the published contract."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from airflow_provider_ei.emulator import EmulatorServer
from tests.support.certificates import self_signed

CONTRACT = Path(__file__).parents[1] / "openapi" / "edge-impulse-openapi.yml"
Files = Sequence[tuple[str, bytes] | tuple[str, bytes, str]]
Until = Callable[[Callable[[], object]], None]

formats = FormatChecker(formats=())


@contextmanager
def official_bindings(url: str, api_key: str) -> Iterator[Callable[[str], Any]]:
    """Yield a function from the name of a group of operations to its API object of the official bindings."""
    import edgeimpulse_api

    configuration = edgeimpulse_api.Configuration(host=url, api_key={"ApiKeyAuthentication": api_key})
    with edgeimpulse_api.ApiClient(configuration) as connection:
        yield lambda group: getattr(edgeimpulse_api, group)(connection)


@formats.checks("date-time", raises=ValueError)
def _is_date_time(text: object) -> bool:
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


def _as_json_schema(part: Any) -> Any:
    """OpenAPI 3.0 says ``nullable`` where JSON Schema has a type ``null``."""
    if isinstance(part, list):
        return [_as_json_schema(each) for each in part]
    if not isinstance(part, dict):
        return part
    schema = {key: _as_json_schema(value) for key, value in part.items() if key != "nullable"}
    return {"anyOf": [schema, {"type": "null"}]} if part.get("nullable") is True else schema


class Contract:
    """The answers that the published contract allows."""

    def __init__(self) -> None:
        contract = yaml.load(CONTRACT.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self._components = _as_json_schema(contract["components"])
        self.operations = {
            (operation["operationId"], method.upper(), path)
            for path, by_method in contract["paths"].items()
            for method, operation in by_method.items()
            if isinstance(operation, dict) and "operationId" in operation
        }
        self._answers = {
            operation["operationId"]: operation["responses"]["200"]["content"]
            for path in contract["paths"].values()
            for operation in path.values()
            if isinstance(operation, dict) and "operationId" in operation
        }

    def check(self, operation: str | None, answer: Mapping[str, Any]) -> None:
        """A refusal has the generic form; everything else the form of its operation."""
        schema: Any = {"$ref": "#/components/schemas/GenericApiResponse"}
        if operation is not None and answer.get("success"):
            schema = _as_json_schema(self._answers[operation]["application/json"]["schema"])
        Draft202012Validator({"allOf": [schema], "components": self._components}, format_checker=formats).validate(
            answer
        )
        assert answer["success"] or answer["error"]


class Client:
    """Calls the API with plain requests and checks every answer against the contract."""

    def __init__(self, studio: EmulatorServer, contract: Contract, verify: str | bool = True) -> None:
        self.studio = studio
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = verify
        self.session.headers["x-api-key"] = studio.api_key
        self.contract = contract
        self.organization = f"{studio.url}/api/organizations/{studio.organization_id}"

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """The answer as it is."""
        return self.session.request(method, self.organization + path, timeout=20, allow_redirects=False, **options)

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The JSON of an answer, checked."""
        return self._checked(self.send(method, path, **options))

    def _checked(self, response: requests.Response) -> dict[str, Any]:
        answer: dict[str, Any] = response.json()
        self.contract.check(self.studio.requests()[-1].operation, answer)
        return answer

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self.call("GET", path, params=query)

    def add(
        self,
        name: str = "item",
        files: Files = (("a.csv", b"1,2\n", "text/csv"),),
        metadata: Mapping[str, str] | None = None,
        dataset: str = "vibration",
        **fields: Any,
    ) -> dict[str, Any]:
        """The answer of ``addOrganizationDataItem``."""
        form = {"name": name, "dataset": dataset, "metadata": json.dumps(metadata or {}), **fields}
        return self.call("POST", "/data/add", data=form, files=[("files[]", file) for file in files])

    def add_id(self, *args: Any, **options: Any) -> int:
        """The id of an item that must have been stored."""
        answer = self.add(*args, **options)
        assert answer["success"], answer
        return int(answer["id"])

    def names(self) -> list[str]:
        return [item.name for item in self.studio.items()]


class ProjectClient(Client):
    """The same with the key of a project, for paths below it."""

    def __init__(self, studio: EmulatorServer, contract: Contract, project_id: int = 1) -> None:
        super().__init__(studio, contract)
        project = studio.projects.get(project_id)
        self.session.headers["x-api-key"] = project.api_key
        self.organization = f"{studio.url}/api/{project.id}"

    def start(self, path: str, **options: Any) -> int:
        """The id of a job that must have been started."""
        answer = self.call("POST", path, **options)
        assert answer["success"], answer
        return int(answer["id"])

    def status(self, job_id: int) -> dict[str, Any]:
        return dict(self.get(f"/jobs/{job_id}/status")["job"])


@pytest.fixture(scope="session")
def contract() -> Contract:
    return Contract()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def studio(data_dir: Path) -> Iterator[EmulatorServer]:
    with EmulatorServer(data_dir=data_dir) as server:
        yield server


@pytest.fixture
def client(studio: EmulatorServer, contract: Contract) -> Client:
    return Client(studio, contract)


@pytest.fixture
def project(studio: EmulatorServer, contract: Contract) -> ProjectClient:
    """A client of the first project, at a time that stands still."""
    studio.clock.stop()
    return ProjectClient(studio, contract)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for this machine, and its key."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["plain", "tls"])
def either_client(request: pytest.FixtureRequest, data_dir: Path, contract: Contract) -> Iterator[Client]:
    """A client of an emulator over plain HTTP, and of one over TLS."""
    if request.param == "plain":
        with EmulatorServer(data_dir=data_dir) as server:
            yield Client(server, contract)
        return
    certfile, keyfile = request.getfixturevalue("certificate")
    with EmulatorServer(data_dir=data_dir, certfile=certfile, keyfile=keyfile) as server:
        yield Client(server, contract, verify=str(certfile))


@pytest.fixture
def until() -> Until:
    """Waits for something that another thread brings about."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "it has not happened within 60 seconds"
            time.sleep(0.005)

    return wait
