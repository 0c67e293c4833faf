"""The operations on samples, and the ingestion client, against an emulated project."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings, Fault
from airflow_provider_ei.exceptions import EdgeImpulseInputError, EdgeImpulseRefusedError, EdgeImpulseResponseError
from airflow_provider_ei.studio.api import samples as samples_module
from airflow_provider_ei.studio.api.ingestion import IngestionApi, parse_duplicate
from airflow_provider_ei.studio.api.samples import SamplesApi
from airflow_provider_ei.studio.settings import INGESTION_READ_TIMEOUT, StudioSettings
from tests.support.files import MadeUpFile
from tests.support.samples import clients, csv
from tests.support.studio import UPLOAD_SAMPLES


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer(EmulatorSettings(api_key="ei_samples", organization_id=7)) as server:
        yield server


@pytest.fixture
def project(server: EmulatorServer) -> EmulatorServer:
    server.reset()
    server.settings.change(EmulatorSettings().switches())
    return server


@pytest.fixture
def api(project: EmulatorServer) -> Iterator[SamplesApi]:
    with clients(project) as (api, _):
        yield api


@pytest.fixture
def ingestion(project: EmulatorServer) -> Iterator[IngestionApi]:
    with clients(project) as (_, ingestion):
        yield ingestion


class TestReading:
    def test_a_sample_has_what_the_service_tells(self, project: EmulatorServer, api: SamplesApi) -> None:
        sample_id = project.samples.put("a.csv", csv(1), label="idle", category="testing", metadata={"site": "3"})
        sample = api.get_sample(sample_id)
        assert (sample.id, sample.filename, sample.category, sample.label) == (sample_id, "a", "testing", "idle")
        assert sample.metadata == {"site": "3"}
        assert api.list_samples("testing") == [sample]
        assert api.list_samples("training") == []

    @pytest.mark.parametrize("order", ["newest", "oldest"])
    @pytest.mark.parametrize("page", [1, 2, 3, 100])
    def test_a_listing_is_complete(
        self, project: EmulatorServer, api: SamplesApi, monkeypatch: pytest.MonkeyPatch, page: int, order: str
    ) -> None:
        monkeypatch.setattr(samples_module, "PAGE_SAMPLES", page)
        project.settings.change({"sample_order": order})
        ids = {project.samples.put(f"{number}.csv", csv(number)) for number in range(7)}
        listed = [sample.id for sample in api.list_samples("training")]
        assert (len(listed), set(listed)) == (7, ids)

    def test_a_service_that_ignores_the_offset_is_noticed(
        self, project: EmulatorServer, api: SamplesApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(samples_module, "PAGE_SAMPLES", 2)
        project.settings.change({"listing_offset": "ignored"})
        for number in range(5):
            project.samples.put(f"{number}.csv", csv(number))
        with pytest.raises(EdgeImpulseResponseError, match="the listing of its samples is incomplete"):
            api.list_samples("training")

    def test_labels_limit_a_listing_and_a_count(self, project: EmulatorServer, api: SamplesApi) -> None:
        for number, label in enumerate(["a", "b, c", "b, c"]):
            project.samples.put(f"{number}.csv", csv(number), label=label)
        assert len(api.list_samples("training", labels=["b, c"])) == 2
        assert (api.count_samples("training"), api.count_samples("training", labels=["a"])) == (3, 1)
        assert api.count_samples("testing") == 0


class TestChanging:
    def test_label_category_and_metadata(self, project: EmulatorServer, api: SamplesApi) -> None:
        sample_id = project.samples.put("a.csv", csv(1), label="idle")
        api.edit_label(sample_id, "größer")
        api.move_sample(sample_id, "testing")
        api.set_metadata(sample_id, {"a": "b"})
        sample = project.samples.get(sample_id)
        assert (sample.label, sample.category, sample.metadata) == ("größer", "testing", {"a": "b"})

    def test_a_deleted_sample_is_gone(self, project: EmulatorServer, api: SamplesApi) -> None:
        sample_id = project.samples.put("a.csv", csv(1))
        api.delete_sample(sample_id)
        assert project.samples.list() == []
        with pytest.raises(EdgeImpulseRefusedError):
            api.get_sample(sample_id)

    def test_half_a_character_is_refused(self, api: SamplesApi) -> None:
        with pytest.raises(EdgeImpulseInputError):
            api.edit_label(1, "\ud800")
        with pytest.raises(EdgeImpulseInputError):
            api.set_metadata(1, {"a": "\ud800"})


class TestIngestion:
    def test_each_file_gets_its_own_answer(self, project: EmulatorServer, ingestion: IngestionApi) -> None:
        files = [MadeUpFile("a.csv", csv(1)), MadeUpFile("b.csv", csv(1)), MadeUpFile("c.exe", b"?")]
        answers, digests = ingestion.upload_files("training", files, label="x")
        (sample,) = project.samples.list()
        assert [answer.success for answer in answers] == [True, False, False]
        assert answers[0].sample_id == sample.id
        assert [answer.duplicate_of for answer in answers] == [None, (sample.id,), None]
        assert digests["a.csv"] == sample.sha256

    def test_a_request_is_repeated_after_a_lost_answer(self, project: EmulatorServer, ingestion: IngestionApi) -> None:
        project.inject(Fault(operation=UPLOAD_SAMPLES, kind="drop_after"))
        answers, _ = ingestion.upload_files("training", [MadeUpFile("a.csv", csv(1))], label="x")
        assert answers[0].duplicate_of is not None
        assert len(project.samples.list()) == 1

    def test_without_a_label(self, project: EmulatorServer, ingestion: IngestionApi) -> None:
        ingestion.upload_files("training", [MadeUpFile("idle.csv", csv(1))])
        ingestion.upload_files("training", [MadeUpFile("walking.csv", csv(2))], unlabeled=True)
        assert [sample.label for sample in project.samples.list()] == ["idle", ""]

    def test_an_answer_for_too_few_files_is_an_error(self, project: EmulatorServer, ingestion: IngestionApi) -> None:
        body = '{"success": true, "files": []}'
        project.inject(Fault(operation=UPLOAD_SAMPLES, kind="status", status=200, body=body))
        with pytest.raises(EdgeImpulseResponseError, match="has answered for 0 of 1 files"):
            ingestion.upload_files("training", [MadeUpFile("a.csv", csv(1))])


@pytest.mark.parametrize(
    ("error", "ids"),
    [
        ("An item with this hash already exists (ids: 1, 23)", (1, 23)),
        ("An item with this hash already exists (id: 1)", (1,)),
        ("An item with this hash already exists", ()),
        ("File too large", None),
        (None, None),
    ],
)
def test_ids_in_the_error_for_a_duplicate(error: str | None, ids: tuple[int, ...] | None) -> None:
    assert parse_duplicate(error) == ids


def test_the_ingestion_service_gets_more_time() -> None:
    settings = StudioSettings(api_key="ei_x").for_ingestion("https://ingestion.example")
    assert (settings.base_url, settings.read_timeout) == ("https://ingestion.example", INGESTION_READ_TIMEOUT)
    assert StudioSettings(api_key="ei_x", read_timeout=7).for_ingestion("https://x").read_timeout == 7
