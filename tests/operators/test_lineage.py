"""What OpenLineage is told, and that nothing of it is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.hooks.lineage import MAX_INPUTS, collapse_to_folders
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator
from airflow_provider_ei.results import read_result


def test_sources_are_named_as_openlineage_does() -> None:
    assert collapse_to_folders(["/data/x.csv", "file:///data/x.csv", "s3://conn@bucket/a/b.csv", "gs://bucket/"]) == [
        ("file", "/data/x.csv"),
        ("gs://bucket", "/"),
        ("s3://bucket", "a/b.csv"),
    ]


def test_many_sources_are_reported_as_their_folders() -> None:
    assert collapse_to_folders(f"/data/run-{number}/x.csv" for number in range(500)) == [("file", "/data")]
    few = [f"/data/{number:02}.csv" for number in range(MAX_INPUTS)]
    assert collapse_to_folders(few) == [("file", name) for name in few]
    assert len(collapse_to_folders(f"s3://bucket-{number}/x" for number in range(500))) == MAX_INPUTS


def test_several_uploads_are_counted_as_one() -> None:
    one = {"organization_id": 7, "dataset": "d", "outcome": "created", "file_count": 2, "total_bytes": 5}
    result = read_result([one, {**one, "outcome": "unchanged"}])
    assert result is not None
    assert (result.organization_id, result.dataset) == (7, "d")
    counts = result.counts
    assert (counts["created"], counts["updated"], counts["repaired"], counts.sent_items) == (1, 0, 0, 1)
    assert (counts["files_sent"], counts["bytes_sent"]) == (2, 5)


def test_an_upload_reports_its_files_and_counts(studio: EmulatorServer, recording: Path) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    operator = EdgeImpulseAddDataOperator(task_id="add", name="a", dataset="two words", files=str(recording))
    assert operator.get_openlineage_facets_on_complete(None) is None
    operator.execute({})
    lineage = operator.get_openlineage_facets_on_complete(None)
    assert [(each.namespace, each.name) for each in lineage.inputs] == [("file", str(recording))]
    (output,) = lineage.outputs
    assert (output.namespace, output.name) == ("edgeimpulse://7", "two words")
    statistics = output.outputFacets["outputStatistics"]
    assert (statistics.rowCount, statistics.fileCount, statistics.size) == (1, 1, recording.stat().st_size)


def test_a_sync_reports_its_source_and_counts(studio: EmulatorServer, tmp_path: Path) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.csv").write_text("12345")
    operator = EdgeImpulseSyncDatasetOperator(task_id="sync", dataset="d", source=str(tmp_path), sync_id="s")
    operator.execute({})
    lineage = operator.get_openlineage_facets_on_complete(None)
    assert [(each.namespace, each.name) for each in lineage.inputs] == [("file", str(tmp_path))]
    statistics = lineage.outputs[0].outputFacets["outputStatistics"]
    assert (statistics.rowCount, statistics.fileCount, statistics.size) == (2, 2, 10)


def test_a_task_that_calls_the_hook_has_lineage(
    studio: EmulatorServer, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.common.compat.lineage import hook as lineage_hook

    told: dict[str, list[str]] = {"in": [], "out": []}

    class Collector:
        """Airflow's own one collects only while a plugin reads it."""

        def add_input_asset(self, *, context: object, uri: str) -> None:
            told["in"].append(uri)

        def add_output_asset(self, *, context: object, uri: str) -> None:
            told["out"].append(uri)

    monkeypatch.setattr(lineage_hook, "get_hook_lineage_collector", Collector)
    EdgeImpulseHook().add_data(name="a", dataset="two words", files=str(recording))
    assert told == {"in": [f"file://{recording}"], "out": ["edgeimpulse://7/two%20words"]}


def test_an_upload_succeeds_when_lineage_fails(
    studio: EmulatorServer, recording: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.providers.common.compat.lineage import hook as lineage_hook

    def broken() -> None:
        raise RuntimeError("no collector")

    monkeypatch.setattr(lineage_hook, "get_hook_lineage_collector", broken)
    result = EdgeImpulseHook().add_data(name="a", dataset="d", files=str(recording))
    assert result["outcome"] == "created"
    assert "no collector" in caplog.text
