"""Uploads to an emulated project: nothing twice, nothing left out, and what is there becomes what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings, Fault
from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseNotFoundError,
    EdgeImpulseSamplesError,
)
from airflow_provider_ei.samples import stored as stored_module
from airflow_provider_ei.samples import upload as upload_module
from tests.support.samples import (
    boxes_file,
    csv,
    info_file,
    png,
    sent_files,
    spans_file,
    stored,
    upload_samples,
)
from tests.support.studio import UPLOAD_SAMPLES as UPLOAD

WriteTree = Callable[..., Path]
SWITCHES: list[dict[str, Any]] = [
    {},
    {"sample_names": "as_sent"},
    {"sample_hashes": "other"},
    {"sample_order": "oldest"},
    {"metadata_update": "merge"},
    {"ingestion_errors": "json"},
]


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer(EmulatorSettings(api_key="ei_samples", organization_id=7)) as server:
        yield server


@pytest.fixture
def project(server: EmulatorServer) -> EmulatorServer:
    """An emulated Studio with an empty project and no requests."""
    server.reset()
    server.settings.change(EmulatorSettings().switches())
    return server


@pytest.fixture(params=SWITCHES, ids=str)
def any_project(request: pytest.FixtureRequest, project: EmulatorServer) -> EmulatorServer:
    """The same, with each switch that matters here."""
    project.settings.change(request.param)
    return project


def counts(result: Any) -> dict[str, int]:
    """What happened to the files, without zeros."""
    keys = ("created", "updated", "unchanged", "skipped", "failed")
    return {key: result[key] for key in keys if result[key]}


def failed(project: EmulatorServer, files: Any, **options: Any) -> EdgeImpulseSamplesError:
    with pytest.raises(EdgeImpulseSamplesError) as caught:
        upload_samples(project, files, **options)
    return caught.value


class TestNewFiles:
    def test_files_arrive_with_label_category_and_metadata(
        self, any_project: EmulatorServer, write_tree: WriteTree
    ) -> None:
        tree = write_tree({"a.csv": csv(1), "b.csv": csv(2)})
        result = upload_samples(
            any_project, tree, sample_label="größer (5%)", category="testing", metadata={"ü": "ö\n"}
        )
        assert stored(any_project) == dict.fromkeys(["a.csv", "b.csv"], ("testing", "größer (5%)", {"ü": "ö\n"}))
        assert counts(result) == {"created": 2}
        assert (result["files_sent"], result["bytes_sent"]) == (2, len(csv(1)) + len(csv(2)))
        assert result["categories"] == ["testing"]

    def test_the_bytes_are_those_of_the_file(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        upload_samples(project, write_tree({"a.csv": csv(1)}))
        (sample,) = project.samples.list()
        assert project.samples.read(sample.id) == csv(1)

    def test_files_of_one_label_take_one_request(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        tree = write_tree(
            {f"{label}/{number}.csv": csv(10 * len(label) + number) for label in ("a", "bb") for number in range(9)}
        )
        result = upload_samples(project, tree, sample_label=lambda file: file.folder)
        assert project.samples.counts() == {"training": {"a": 9, "bb": 9}}
        assert [request.operation for request in project.requests()].count(UPLOAD) == 2
        assert result["requests"] == len(project.requests())

    def test_split_leaves_the_choice_to_the_service(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        tree = write_tree({f"{number}.csv": csv(number) for number in range(40)})
        assert counts(upload_samples(project, tree, sample_label="x", category="split")) == {"created": 40}
        assert set(project.samples.counts()) == {"training", "testing"}
        assert counts(upload_samples(project, tree, sample_label="x", category="split")) == {"unchanged": 40}

    def test_sidecars_go_along(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        box = {"label": "bolt", "x": 1, "y": 2, "width": 3, "height": 4}
        span = {"startIndex": 0, "endIndex": 2, "label": "run"}
        tree = write_tree(
            {
                "images/a.png": png(32, 24),
                "images/b.png": png(32, 24, 7),
                "images/bounding_boxes.labels": boxes_file({"a.png": [box]}),
                "motion/c.csv": csv(1),
                "motion/structured_labels.labels": spans_file({"c.csv": [span]}),
                "info.labels": info_file(
                    {"path": "images/b.png", "category": "testing", "label": {"type": "unlabeled"}}
                ),
            }
        )
        for _ in range(2):
            upload_samples(project, tree, sample_label="parts")
            labels = {sample.file_name: sample.labels for sample in project.samples.list()}
            assert (list(labels["a.png"].boxes), list(labels["c.csv"].structured)) == ([box], [span])
            assert stored(project)["b.png"] == ("testing", "", {})
            assert stored(project)["a.png"] == ("training", "parts", {})


class TestWhatIsThere:
    def test_a_second_upload_changes_nothing(self, any_project: EmulatorServer, write_tree: WriteTree) -> None:
        tree = write_tree({f"{number}.csv": csv(number) for number in range(12)})
        upload_samples(any_project, tree, sample_label="x", metadata={"a": "b"})
        before = any_project.samples.list()
        result = upload_samples(any_project, tree, sample_label="x", metadata={"a": "b"})
        assert counts(result) == {"unchanged": 12}
        assert any_project.samples.list() == before

    def test_a_second_upload_sends_nothing(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        tree = write_tree({f"{number}.csv": csv(number) for number in range(12)})
        upload_samples(project, tree, sample_label="x")
        project.clear_requests()
        result = upload_samples(project, tree, sample_label="x")
        assert [request for request in project.requests() if request.method != "GET"] == []
        assert (result["files_sent"], result["bytes_hashed"]) == (0, sum(len(csv(number)) for number in range(12)))

    def test_only_new_files_are_sent(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        upload_samples(project, write_tree({"a.csv": csv(1)}))
        project.clear_requests()
        assert counts(upload_samples(project, write_tree({"b.csv": csv(2)}))) == {"created": 1, "unchanged": 1}
        assert sent_files(project) == ["b.csv"]

    def test_another_content_of_the_same_name_is_another_sample(
        self, project: EmulatorServer, write_tree: WriteTree
    ) -> None:
        upload_samples(project, write_tree({"a.csv": csv(1)}, "one"))
        assert counts(upload_samples(project, write_tree({"a.csv": csv(2)}, "two"))) == {"created": 1}
        assert len(project.samples.list()) == 2

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"sample_label": "new"}, ("training", "new", {"a": "1", "by": "others"})),
            ({"sample_label": "old", "category": "testing"}, ("testing", "old", {"a": "1", "by": "others"})),
            (
                {"sample_label": "old", "metadata": {"a": "2", "c": "3"}},
                ("training", "old", {"a": "2", "c": "3", "by": "others"}),
            ),
            (
                {"sample_label": "new", "category": "testing", "metadata": {"c": "3"}},
                ("testing", "new", {"a": "1", "c": "3", "by": "others"}),
            ),
        ],
        ids=str,
    )
    def test_a_sample_with_another_label_becomes_as_wanted(
        self, any_project: EmulatorServer, write_tree: WriteTree, options: dict[str, Any], expected: object
    ) -> None:
        any_project.samples.put("a.csv", csv(1), label="old", metadata={"a": "1", "by": "others"})
        assert counts(upload_samples(any_project, write_tree({"a.csv": csv(1)}), **options)) == {"updated": 1}
        assert stored(any_project) == {"a.csv": expected}

    def test_skip_leaves_it_alone(self, any_project: EmulatorServer, write_tree: WriteTree) -> None:
        any_project.samples.put("a.csv", csv(1), label="old")
        tree = write_tree({"a.csv": csv(1), "b.csv": csv(2)})
        result = upload_samples(any_project, tree, sample_label="new", if_exists="skip")
        assert counts(result) == {"created": 1, "skipped": 1}
        assert stored(any_project) == {"a.csv": ("training", "old", {}), "b.csv": ("training", "new", {})}

    def test_fail_names_it(self, any_project: EmulatorServer, write_tree: WriteTree) -> None:
        sample_id = any_project.samples.put("a.csv", csv(1), label="old")
        error = failed(
            any_project, write_tree({"a.csv": csv(1), "b.csv": csv(2)}), sample_label="new", if_exists="fail"
        )
        assert f"change sample {sample_id} in Studio" in str(error)
        assert "label 'old' instead of 'new'" in str(error)
        assert not error.retryable
        assert counts(error.summary) == {"created": 1, "failed": 1}
        assert stored(any_project)["a.csv"] == ("training", "old", {})

    def test_two_samples_of_one_content_are_left_to_a_person(
        self, any_project: EmulatorServer, write_tree: WriteTree
    ) -> None:
        one, other = (any_project.samples.put("a.csv", csv(1), label="old") for _ in range(2))
        error = failed(any_project, write_tree({"a.csv": csv(1)}), sample_label="new")
        assert str(one) in str(error)
        assert str(other) in str(error)
        any_project.samples.edit(other, label="new")
        assert counts(upload_samples(any_project, write_tree({"a.csv": csv(1)}), sample_label="new")) == {
            "unchanged": 1
        }

    def test_other_bounding_boxes_are_reported(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        box = {"label": "bolt", "x": 1, "y": 2, "width": 3, "height": 4}
        project.samples.put("a.png", png(32, 24), label="x")
        tree = write_tree({"a.png": png(32, 24), "bounding_boxes.labels": boxes_file({"a.png": [box]})})
        assert "bounding boxes 0 instead of the 1 given, which the API cannot change" in str(failed(project, tree))

    def test_a_sample_is_never_moved_to_the_anomalies(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        project.samples.put("a.csv", csv(1), label="x")
        tree = write_tree({"a.csv": csv(1), "b.csv": csv(2)})
        error = failed(project, tree, category="anomaly", sample_label="x")
        assert "category 'training' instead of 'anomaly', which the API cannot change" in str(error)
        assert stored(project) == {"a.csv": ("training", "x", {}), "b.csv": ("anomaly", "x", {})}

    def test_files_of_one_content_must_not_contradict_each_other(
        self, any_project: EmulatorServer, write_tree: WriteTree
    ) -> None:
        tree = write_tree({"a/x.csv": csv(1), "b/y.csv": csv(1)})
        error = failed(any_project, tree, sample_label=lambda file: file.folder, workers=1)
        assert "Give files with the same content the same label" in str(error)
        before = any_project.samples.list()
        assert len(before) == 1
        failed(any_project, tree, sample_label=lambda file: file.folder)
        assert any_project.samples.list() == before

    def test_files_of_one_content_and_label_become_one_sample(
        self, any_project: EmulatorServer, write_tree: WriteTree
    ) -> None:
        tree = write_tree({"a/x.csv": csv(1), "b/y.csv": csv(1)})
        assert counts(upload_samples(any_project, tree, sample_label="x", workers=1)) == {"created": 1, "unchanged": 1}

    def test_a_large_project_is_not_listed_for_a_few_small_files(
        self, project: EmulatorServer, write_tree: WriteTree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stored_module, "SMALL_PROJECT", 1)
        tree = write_tree({"a.csv": csv(1), "b.csv": csv(2)})
        upload_samples(project, tree, sample_label="x")
        project.clear_requests()
        assert counts(upload_samples(project, tree, sample_label="y")) == {"updated": 2}
        assert "listSamples" not in [request.operation for request in project.requests()]

    def test_many_samples_are_compared_in_one_listing(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        project.settings.change({"sample_hashes": "other"})
        tree = write_tree({f"{number}.csv": csv(number) for number in range(30)})
        upload_samples(project, tree, sample_label="x")
        project.clear_requests()
        assert counts(upload_samples(project, tree, sample_label="x")) == {"unchanged": 30}
        assert "getSample" not in [request.operation for request in project.requests()]


class TestRefusedFiles:
    def test_a_refused_file_is_named_and_the_others_arrive(
        self, any_project: EmulatorServer, write_tree: WriteTree
    ) -> None:
        tree = write_tree({"a.csv": csv(1), "b.txt.exe": b"?", "c.json": b"{", "d.csv": csv(4)})
        error = failed(any_project, tree, sample_label="x")
        assert {failure["name"].rpartition("/")[2] for failure in error.summary["failures"]} == {"b.txt.exe", "c.json"}
        assert "Edge Impulse refused: Unsupported file type" in str(error)
        assert "Edge Impulse refused: The file is not valid JSON" in str(error)
        assert not error.retryable
        assert sorted(stored(any_project)) == ["a.csv", "d.csv"]

    def test_the_next_try_sends_only_what_is_left(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        tree = write_tree({f"{number}.csv": csv(number) for number in range(9)} | {"z.json": b"{"})
        failed(project, tree, sample_label="x")
        project.clear_requests()
        error = failed(project, tree, sample_label="x")
        assert counts(error.summary) == {"unchanged": 9, "failed": 1}
        assert sent_files(project) == ["z.json"]

    def test_a_file_that_is_too_large_is_not_sent(
        self, project: EmulatorServer, write_tree: WriteTree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upload_module, "MAX_FILE_BYTES", 100)
        tree = write_tree({"a.json": b" " * 101, "b.csv": b"x\n" * 51})
        error = failed(project, tree, sample_label="x")
        assert "Divide the file: it has 101 bytes, and the service takes 100" in str(error)
        assert sent_files(project) == ["b.csv"]

    def test_what_is_refused_as_a_whole_is_sent_in_parts(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        """A proxy that takes only small requests gets small ones; a file that is larger alone is named."""
        project.settings.change({"max_request_bytes": 2000})
        tree = write_tree({f"{number}.csv": csv(number) for number in range(40)} | {"large.csv": b"x\n" * 2000})
        error = failed(project, tree, sample_label="x")
        assert counts(error.summary) == {"created": 40, "failed": 1}
        assert "larger than the service, or a proxy, takes" in str(error)
        assert error.summary["failures"][0]["name"].endswith("large.csv")

    def test_a_service_that_refuses_everything_is_not_asked_for_each_file(
        self, project: EmulatorServer, write_tree: WriteTree
    ) -> None:
        project.inject(Fault(operation=UPLOAD, kind="success_false", count=1000))
        tree = write_tree({f"{number}.csv": csv(number) for number in range(200)})
        error = failed(project, tree, sample_label="x", workers=1)
        assert counts(error.summary) == {"failed": 200}
        assert "Not tried: the service has refused all 20 files before it" in str(error) or error.retryable
        assert len(sent_files(project)) < 2000

    def test_a_file_that_changes_meanwhile_fails_alone(
        self, project: EmulatorServer, write_tree: WriteTree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree = write_tree({f"{number}.csv": csv(number) for number in range(9)})
        original = upload_module.find_stored

        def change_a_file(*args: Any) -> Any:
            (tree / "4.csv").write_bytes(csv(400))
            return original(*args)

        monkeypatch.setattr(upload_module, "find_stored", change_a_file)
        error = failed(project, tree, sample_label="x")
        assert counts(error.summary) == {"created": 8, "failed": 1}
        assert error.retryable
        assert "4.csv was changed" in str(error)


class TestService:
    def test_a_lost_answer_is_answered_by_sending_again(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        project.inject(Fault(operation=UPLOAD, kind="drop_after"))
        result = upload_samples(project, write_tree({"a.csv": csv(1), "b.csv": csv(2)}), sample_label="x")
        assert counts(result) == {"unchanged": 2}
        assert result["retries"] == 1
        assert sorted(stored(project)) == ["a.csv", "b.csv"]

    def test_before_that_it_waits_for_a_late_one(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        slept: list[float] = []
        project.inject(Fault(operation=UPLOAD, kind="drop_after"))
        upload_samples(
            project, write_tree({"a.csv": csv(1)}), sleep=slept.append, settings={"settle_seconds": 7.5}, workers=1
        )
        assert slept == [7.5]

    @pytest.mark.parametrize("operation", [UPLOAD, "countSamples", "editLabel", "*"])
    @pytest.mark.parametrize("headers", [{}, {"Retry-After": "7"}, {"Retry-After": "soon"}], ids=str)
    def test_throttling_slows_down_and_loses_nothing(
        self, project: EmulatorServer, write_tree: WriteTree, operation: str, headers: dict[str, str]
    ) -> None:
        """More refusals than a task has retries; those that come first hit everything that is under way."""
        project.settings.change({"sample_hashes": "other"})
        tree = write_tree({f"{number}/{number}.csv": csv(number) for number in range(20)})
        for number in range(10):
            project.samples.put(f"{number}.csv", csv(number), label="old")
        project.inject(Fault(operation=operation, kind="status", status=429, headers=headers, count=40))
        result = upload_samples(project, tree, sample_label=lambda file: file.folder)
        assert counts(result) == {"created": 10, "updated": 10}
        assert sorted(project.samples.counts()["training"].values()) == [1] * 20

    def test_a_service_that_throttles_everything_is_not_asked_forever(
        self, project: EmulatorServer, write_tree: WriteTree
    ) -> None:
        project.inject(Fault(operation=UPLOAD, kind="status", status=429, count=10**6))
        tree = write_tree({f"{number}/{number}.csv": csv(number) for number in range(20)})
        error = failed(project, tree, sample_label=lambda file: file.folder, workers=1)
        assert error.retryable
        assert "Not tried: the service has throttled all requests" in str(error)
        assert project.samples.list() == []

    def test_a_file_that_is_too_large_for_the_service_is_named(
        self, project: EmulatorServer, write_tree: WriteTree
    ) -> None:
        project.settings.change({"max_sample_bytes": 100})
        tree = write_tree({"a.csv": csv(1), "b.csv": csv(2) * 9})
        error = failed(project, tree, sample_label="x")
        assert "Edge Impulse refused: File too large" in str(error)
        assert sorted(stored(project)) == ["a.csv"]

    def test_a_key_that_may_only_upload(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        """A service may refuse all reads with such a key: new files arrive, and nothing is guessed about others."""
        project.samples.put("a.csv", csv(1), label="old")
        tree = write_tree({"a.csv": csv(1), "b.csv": csv(2)})
        for operation in ("countSamples", "getSample", "listSamples"):
            project.inject(Fault(operation=operation, kind="status", status=403, count=1000))
        error = failed(project, tree, sample_label="x")
        assert counts(error.summary) == {"created": 1, "failed": 1}
        assert counts(upload_samples(project, tree, sample_label="x", if_exists="skip")) == {"skipped": 2}
        assert stored(project)["a.csv"] == ("training", "old", {})

    def test_an_outage_ends_the_run_early(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        project.inject(Fault(operation=UPLOAD, kind="status", status=503, count=10_000))
        tree = write_tree({f"{number}/{number}.csv": csv(number) for number in range(60)})
        error = failed(project, tree, sample_label=lambda file: file.folder, workers=1)
        assert error.retryable
        assert "Not tried: the 8 requests before it had no usable answer" in str(error)
        assert len([request for request in project.requests() if request.operation == UPLOAD]) < 40

    def test_a_wrong_key_ends_it_at_once(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        with pytest.raises(EdgeImpulseAuthError):
            upload_samples(project, write_tree({"a.csv": csv(1)}), sample_label="x", settings={"api_key": "ei_wrong"})
        assert project.samples.list() == []

    def test_a_wrong_ingestion_host_is_named(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        project.inject(Fault(operation=UPLOAD, kind="status", status=404))
        with pytest.raises(EdgeImpulseNotFoundError, match=r"^Check extra 'ingestion_host' of the connection"):
            upload_samples(project, write_tree({"a.csv": csv(1)}), sample_label="x")
