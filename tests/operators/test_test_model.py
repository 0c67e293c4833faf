"""A task that tests a model: it measures, accepts or refuses, and never puts predictions into Airflow's database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseJobError, EdgeImpulseQualityError
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.operators.test_model import EdgeImpulseTestModelOperator
from tests.operators.project_jobs import connect_project, maker, operations, started
from tests.operators.test_jobs import FileStore
from tests.support.airflow_runs import RunDag
from tests.support.job_runs import Mode, TaskInstance, both_modes

NO_RESULTS = json.dumps({"success": True, "noResultsBecauseThresholdsChanged": True})


@pytest.fixture
def project(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    return connect_project(emulator, monkeypatch)


@pytest.fixture
def context(tmp_path: Any) -> dict[str, Any]:
    return {"task_state_store": FileStore(tmp_path / "store.json"), "ti": TaskInstance()}


def a_test(**values: Any) -> Any:
    return maker(EdgeImpulseTestModelOperator, **values)


@both_modes
class TestModes:
    @pytest.mark.parametrize("unit", ["fraction", "percent"])
    def test_returns_what_was_measured(self, project: EmulatorServer, context: Any, mode: Mode, unit: Any) -> None:
        project.settings.accuracy_unit = unit
        project.projects.set_results({"int8": {"idle": (46, 4), "walking": (44, 6)}}, ignored=7)
        result = mode(a_test(min_accuracy=0.9, min_samples=100), context)
        assert result == {
            "job_id": 1,
            "project_id": 1,
            "state": "succeeded",
            "url": f"{project.url.removesuffix('/v1')}/studio/1/jobs#show-job-1",
            "variant": "int8",
            "accuracy": 0.9,
            "samples": 100,
            "correct": 90,
            "ignored": 7,
            "accuracy_by_class": {"idle": 0.92, "walking": 0.88},
            "min_accuracy": 0.9,
            "last_accuracy": None,
            "accepted": True,
        }

    @pytest.mark.parametrize(("unit", "accuracy"), [("fraction", 0.01), ("percent", 0.01)])
    def test_a_hundredth_is_never_taken_for_all(
        self, project: EmulatorServer, context: Any, mode: Mode, unit: Any, accuracy: float
    ) -> None:
        project.settings.accuracy_unit = unit
        project.projects.set_results({"int8": {"idle": (1, 99)}})
        assert mode(a_test(), context)["accuracy"] == pytest.approx(accuracy)
        with pytest.raises(AirflowFailException, match=r"accuracy 0\.01"):
            mode(a_test(min_accuracy=0.5), context)

    def test_a_refused_model_fails_the_task_without_retries(
        self, project: EmulatorServer, context: Any, mode: Mode
    ) -> None:
        project.projects.set_results({"int8": {"idle": (80, 20)}})
        with pytest.raises(AirflowFailException, match=r"^Improve the data .* over 100 samples\. Missed: min_accuracy"):
            mode(a_test(min_accuracy=0.9), context)
        assert context["task_state_store"].get("edge_impulse_job_id") is None

    def test_a_refused_model_can_skip_the_task(self, project: EmulatorServer, context: Any, mode: Mode) -> None:
        project.projects.set_results({"int8": {"idle": (80, 20)}})
        with pytest.raises(AirflowSkipException, match=r"Missed: min_accuracy 0\.9"):
            mode(a_test(min_accuracy="0.9", on_failure="skip"), context)
        assert context["task_state_store"].get("edge_impulse_job_id") is None

    def test_changed_thresholds_lead_to_one_more_test(self, project: EmulatorServer, context: Any, mode: Mode) -> None:
        project.inject(Fault(operation="getClassifyJobResult", kind="status", status=200, body=NO_RESULTS))
        assert mode(a_test(min_samples=1), context)["job_id"] == 2
        assert started(project, "classify") == [1, 2]

    def test_thresholds_that_change_again_end_the_task(self, project: EmulatorServer, context: Any, mode: Mode) -> None:
        project.inject(Fault(operation="getClassifyJobResult", kind="status", status=200, body=NO_RESULTS, count=9))
        with pytest.raises(AirflowFailException, match=r"^Wait until nobody changes the thresholds"):
            mode(a_test(min_samples=1), context)
        assert started(project, "classify") == [1, 2]

    def test_a_lost_answer_leads_to_one_test(self, project: EmulatorServer, context: Any, mode: Mode) -> None:
        project.inject(Fault(operation="startClassifyJob", kind="drop_after"))
        assert [mode(a_test(), context)["job_id"]] == started(project, "classify") == [1]

    def test_a_test_without_a_reported_outcome_is_no_success(
        self, project: EmulatorServer, context: Any, mode: Mode
    ) -> None:
        project.jobs.plan("classify", outcome="unreported")
        with pytest.raises(EdgeImpulseJobError, match="not that it has succeeded"):
            mode(a_test(), context)

    @pytest.mark.parametrize(("fault", "count"), [("getJobStatus", 3), ("getClassifyJobResult", 1)])
    def test_a_service_that_fails_for_a_moment_is_survived(
        self, project: EmulatorServer, context: Any, mode: Mode, fault: str, count: int
    ) -> None:
        project.inject(Fault(operation=fault, kind="status", status=502, count=count))
        assert mode(a_test(min_samples=1), context)["samples"] == 100

    def test_the_last_accepted_model_sets_the_limit(self, project: EmulatorServer, context: Any, mode: Mode) -> None:
        context["ti"].last_result = {"project_id": 1, "variant": "int8", "accuracy": 0.95}
        assert mode(a_test(max_drop=0.05), context)["last_accuracy"] == 0.95
        with pytest.raises(AirflowFailException, match=r"Missed: max_drop 0\.04 below .* 0\.95"):
            mode(a_test(max_drop=0.04), context)


@pytest.mark.parametrize(
    "last", [None, {"project_id": 2, "variant": "int8", "accuracy": 1}, {"project_id": 1, "variant": "float32"}]
)
def test_a_model_of_another_kind_sets_no_limit(project: EmulatorServer, context: Any, last: Any) -> None:
    context["ti"].last_result = last
    assert a_test(max_drop=0)().execute(context)["last_accuracy"] is None


class TestReading:
    """The cheapest answer that says enough is read."""

    def test_a_percentage_needs_no_predictions(self, project: EmulatorServer, context: Any) -> None:
        project.settings.accuracy_unit = "percent"
        result = a_test(min_accuracy=0.9)().execute(context)
        assert (result["accuracy"], result["samples"]) == (0.9, None)
        assert "getClassifyJobResult" not in operations(project)

    def test_a_fraction_may_be_a_percentage_so_the_samples_are_counted(
        self, project: EmulatorServer, context: Any
    ) -> None:
        assert a_test(min_accuracy=0.9)().execute(context)["samples"] == 100
        assert operations(project)[-2:] == ["getClassifyMetricsAllVariants", "getClassifyJobResult"]

    def test_a_service_without_the_cheap_answer(self, project: EmulatorServer, context: Any) -> None:
        project.settings.classify_metrics = "missing"
        project.settings.accuracy_unit = "percent"
        assert a_test(min_accuracy=0.9)().execute(context)["accuracy"] == 0.9

    def test_predictions_that_are_too_many_leave_the_accuracy(self, project: EmulatorServer, context: Any) -> None:
        project.settings.accuracy_unit = "percent"
        huge = json.dumps({"success": True, "predictions": [{}] * 3_000_000})
        project.inject(Fault(operation="getClassifyJobResult", kind="status", status=200, body=huge))
        with pytest.raises(AirflowFailException, match="min_samples 1, since the number of samples is not known"):
            a_test(min_samples=1)().execute(context)

    def test_another_variant_is_not_taken_for_the_one_that_was_asked_for(
        self, project: EmulatorServer, context: Any
    ) -> None:
        project.projects.set_results({"int8": {"idle": (9, 1)}, "float32": {"idle": (10, 0)}})
        assert a_test(variant="float32")().execute(context)["accuracy"] == 1.0
        body = json.dumps({"success": True, "availableVariants": ["int8"], "accuracy": {}})
        project.inject(Fault(operation="getClassifyJobResult", kind="status", status=200, body=body))
        with pytest.raises(AirflowFailException, match=r"^Set variant to one of int8: the test has no results of 'fl"):
            a_test(variant="float32", min_samples=1)().execute(context)

    def test_a_regression_has_no_accuracy(self, project: EmulatorServer, context: Any) -> None:
        body = json.dumps({"success": True, "accuracy": {"totalSummary": {"good": 0, "bad": 0}, "mseScore": 0.1}})
        project.inject(Fault(operation="getClassifyJobResult", kind="status", status=200, body=body, count=2))
        assert a_test()().execute(context)["accuracy"] is None
        with pytest.raises(AirflowFailException, match="no accuracy is reported for this kind of model"):
            a_test(min_accuracy=0.1)().execute(context)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_accuracy": 90}, "min_accuracy must be a number from 0 to 1"),
        ({"on_failure": "retry"}, "on_failure must be one of fail, skip"),
        ({"variant": ""}, "variant must be a non-empty string"),
        ({"min_accuracy": 0.9, "wait_for_completion": False}, "Leave out wait_for_completion=False"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(
    project: EmulatorServer, context: Any, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(AirflowFailException, match=f"^{message}"):
        a_test(**values)().execute(context)
    assert operations(project) == []


def test_the_hook_does_the_same(project: EmulatorServer) -> None:
    with EdgeImpulseProjectHook() as hook:
        project.inject(Fault(operation="getClassifyJobResult", kind="status", status=200, body=NO_RESULTS))
        result = hook.test_model(min_samples=100, poll_interval=0.05)
        assert (result["job_id"], result["accuracy"], result["samples"]) == (2, 0.9, 100)
        with pytest.raises(EdgeImpulseQualityError, match=r"max_drop 0\.01 below the last accepted accuracy, 0\.95"):
            hook.test_model(max_drop=0.01, last_accuracy=0.95, poll_interval=0.05)


GATE = """
from airflow_provider_ei.operators.test_model import EdgeImpulseTestModelOperator
@dag(schedule=None)
def gate():
    EdgeImpulseTestModelOperator(
        task_id="test", max_drop="0.05", min_accuracy_by_class={"idle": "{{ 0.1 + 0.2 }}"}, poll_interval=0.1,
        deferrable=DEFERRABLE,
    )
gate()
"""


@pytest.mark.parametrize("deferrable", [False, True])
def test_in_airflow_a_model_is_compared_with_the_last_accepted_one(
    project: EmulatorServer, run: RunDag, deferrable: bool
) -> None:
    lines = GATE.replace("DEFERRABLE", str(deferrable)).replace("gate()", f"gate_{deferrable}()")
    accuracies: list[Any] = []
    for good in (90, 70, 86):
        project.projects.set_results({"int8": {"idle": (good, 100 - good)}})
        returned = run(lines).returned.get("test", [None])[0]
        accuracies.append(returned and (returned["accuracy"], returned["last_accuracy"]))
    assert accuracies == [(0.9, None), None, (0.86, 0.9)]


def test_no_prediction_reaches_airflow(project: EmulatorServer, context: Any) -> None:
    project.projects.set_results({"int8": {f"class {number}": (30, number) for number in range(60)}})
    result = a_test(min_samples=1)().execute(context)
    assert len(json.dumps(result)) < 4000
    assert len(json.dumps(context["ti"].pushed)) < 4000
