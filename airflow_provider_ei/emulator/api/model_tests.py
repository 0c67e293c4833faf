"""Operations of model testing: classify and evaluate jobs, and their results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_provider_ei.emulator.api.jobs import job_started
from airflow_provider_ei.emulator.api.operation import PROJECT, Answer, Call, Operation
from airflow_provider_ei.emulator.emulator_clock import iso_time
from airflow_provider_ei.emulator.projects import IMPULSE_ID, ModelResults, Project
from airflow_provider_ei.emulator.stored_data import StoreError

_LEARN_BLOCK = {"id": 3, "type": "keras", "name": "Classifier", "dsp": [2], "title": "Classification"}
_SAMPLE_LENGTH_MS = 1000.0


def start_classify(call: Call) -> Answer:
    """``startClassifyJob``. Its results are those that the project has when the job ends."""
    variants = call.fields.values.get("modelVariants")
    with call.workspace:
        project = call.project
        call.check_impulse()
        known = list(project.results.variants)
        if variants is not None and not (isinstance(variants, list) and all(each in known for each in variants)):
            raise StoreError(f"modelVariants must be a list of {', '.join(known)}")

        def finish(now: float) -> None:
            tested = project.results
            chosen = {name: tested.variants[name] for name in variants or tested.variants}
            project.tested = ModelResults(chosen, tested.ignored)

        return job_started(call.start_job("classify", finish))


def start_evaluate(call: Call) -> Answer:
    """``startEvaluateJob``."""
    with call.workspace:
        project = call.project
        call.check_impulse()

        def finish(now: float) -> None:
            project.evaluated = project.results

        return job_started(call.start_job("evaluate", finish))


def get_metrics(call: Call) -> Answer:
    """``getClassifyMetricsAllVariants``, which is experimental: a service may lack it."""
    if call.settings.classify_metrics == "missing":
        raise StoreError("Not found", status=404)
    with call.workspace:
        tested = _tested(call)
        return {
            "metrics": [{"variant": name, "accuracy": tested.accuracy(name) * _unit(call)} for name in tested.variants]
        }


def get_classify_result(call: Call) -> Answer:
    """``getClassifyJobResult``: with the prediction of every sample."""
    with call.workspace as workspace:
        project, tested = call.project, _tested(call)
        variant = call.query.text("variant") or next(iter(tested.variants))
        if variant not in tested.variants:
            raise StoreError(f"There are no results for the variant {variant!r}")
        good, bad = tested.totals(variant)
        labels = sorted(tested.variants[variant])
        now = iso_time(workspace.clock.now())
        samples = list(_samples(tested, variant))
    return {
        "result": []
        if call.query.text("featureExplorerOnly") == "true"
        else [_result(project, number, label, now) for number, (label, _, _) in enumerate(samples, 1)],
        "predictions": [_prediction(number, *sample) for number, sample in enumerate(samples, 1)],
        "accuracy": {
            "totalSummary": {"good": good, "bad": bad},
            "summaryPerClass": {
                label: {"good": right, "bad": wrong} for label, (right, wrong) in tested.variants[variant].items()
            },
            "confusionMatrixValues": {
                label: {other: 1.0 if other == label else 0.0 for other in labels} for label in labels
            },
            "allLabels": labels,
            "rows": [],
            "accuracyScore": tested.accuracy(variant) * _unit(call),
        },
        "additionalMetricsByLearnBlock": [],
        "availableVariants": list(tested.variants),
    }


def get_evaluate_result(call: Call) -> Answer:
    """``getEvaluateJobResult``."""
    with call.workspace:
        evaluated = call.project.evaluated
        call.check_impulse()
        if evaluated is None:
            raise StoreError("The model has not been evaluated yet")
        return {"result": [_variant_stats(evaluated, variant) for variant in evaluated.variants]}


def _tested(call: Call) -> ModelResults:
    call.check_impulse()
    tested = call.project.tested
    if tested is None:
        raise StoreError("The model has not been tested yet")
    return tested


def _unit(call: Call) -> float:
    return 1.0 if call.settings.accuracy_unit == "fraction" else 100.0


def _samples(tested: ModelResults, variant: str) -> Iterator[tuple[str, str, bool | None]]:
    """Yield label, prediction and whether that is right; None for a sample that the accuracy ignores."""
    labels = sorted(tested.variants[variant])
    for label, (good, bad) in tested.variants[variant].items():
        wrong = next((other for other in labels if other != label), "uncertain")
        yield from ((label, label, True) for _ in range(good))
        yield from ((label, wrong, False) for _ in range(bad))
    yield from (("unknown label", "uncertain", None) for _ in range(tested.ignored))


def _prediction(number: int, label: str, prediction: str, correct: bool | None) -> dict[str, Any]:
    """Return a ``ModelPrediction``."""
    info: dict[str, Any] = {
        "sampleId": number,
        "startMs": 0.0,
        "endMs": _SAMPLE_LENGTH_MS,
        "label": label,
        "prediction": prediction,
    }
    return info if correct is None else {**info, "predictionCorrect": correct}


def _result(project: Project, number: int, label: str, now: str) -> dict[str, Any]:
    """Return a ``ModelResult``."""
    sample = {
        "id": number,
        "filename": f"sample {number}",
        "signatureValidate": True,
        "created": now,
        "lastModified": now,
        "category": "testing",
        "coldstorageFilename": f"{number}.cbor",
        "label": label,
        "intervalMs": 10.0,
        "frequency": 100.0,
        "originalIntervalMs": 10.0,
        "originalFrequency": 100.0,
        "deviceType": "emulator",
        "sensors": [{"name": "accX", "units": "m/s2"}],
        "valuesCount": 100,
        "added": now,
        "boundingBoxes": [],
        "boundingBoxesType": "object_detection",
        "chartType": "chart",
        "isDisabled": False,
        "isProcessing": False,
        "processingError": False,
        "isCropped": False,
        "projectId": project.id,
        "sha256Hash": "0" * 64,
    }
    classification = {
        "learnBlock": {**_LEARN_BLOCK, "primaryVersion": True},
        "result": [{label: 1.0}],
        "expectedLabels": [{"startIndex": 0, "endIndex": 99, "label": label}],
        "minimumConfidenceRating": 0.6,
    }
    return {"sampleId": number, "sample": sample, "classifications": [classification]}


def _variant_stats(evaluated: ModelResults, variant: str) -> dict[str, Any]:
    """Return a ``ModelVariantStats``: its accuracy is a percentage."""
    labels = sorted(evaluated.variants[variant])
    good, bad = evaluated.totals(variant)
    return {
        "modelType": variant,
        "learnBlockId": _LEARN_BLOCK["id"],
        "learnBlockType": "keras",
        "confusionMatrix": {},
        "confusionMatrixRowHeaders": labels,
        "confusionMatrixColumnHeaders": labels,
        "trainingLabels": labels,
        "classificationLabels": labels,
        "totalWindowCount": good + bad,
        "totalCorrectWindowCount": {"raw": good},
        "accuracy": {"raw": evaluated.accuracy(variant) * 100},
    }


def list_impulses(call: Call) -> Answer:
    """``getAllImpulses``."""
    with call.workspace:
        assert call.project
    return {
        "impulses": [{"id": IMPULSE_ID, "name": "Impulse #1", "inputBlocks": [], "dspBlocks": [], "learnBlocks": []}]
    }


OPERATIONS = (
    Operation("getAllImpulses", "GET", f"{PROJECT}/impulses", list_impulses),
    Operation("startClassifyJob", "POST", f"{PROJECT}/jobs/classify", start_classify, "json", True),
    Operation("startEvaluateJob", "POST", f"{PROJECT}/jobs/evaluate", start_evaluate, "none", True),
    Operation("getClassifyMetricsAllVariants", "GET", f"{PROJECT}/classify/all/metrics", get_metrics),
    Operation("getClassifyJobResult", "GET", f"{PROJECT}/classify/all/result", get_classify_result),
    Operation("getEvaluateJobResult", "GET", f"{PROJECT}/deployment/evaluate", get_evaluate_result),
)
