"""Tests of a project's model: starting them, and reading their results."""

from __future__ import annotations

from airflow_provider_ei.exceptions import EdgeImpulseNotFoundError
from airflow_provider_ei.studio.api.jobs import StartedAnswer
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.models import Answer, ApiModel
from airflow_provider_ei.studio.reading import LISTING_BYTES


class VariantMetrics(ApiModel, frozen=True, kw_only=True):
    """The accuracy of one variant of the model. The API does not say whether 1 is all or a hundredth."""

    variant: str
    accuracy: float | None = None


class MetricsAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``getClassifyMetricsAllVariants``."""

    metrics: list[VariantMetrics] = []


class SampleCounts(ApiModel, frozen=True, kw_only=True):
    """Numbers of samples that the model has classified right and wrong."""

    good: int
    bad: int


class ModelAccuracy(ApiModel, frozen=True, kw_only=True):
    """The accuracy of one variant, in total and by class. Models without classes have no score."""

    total_summary: SampleCounts | None = None
    summary_per_class: dict[str, SampleCounts] = {}
    accuracy_score: float | None = None


class Prediction(ApiModel, frozen=True, kw_only=True):
    """What the model has made of one sample. Without both fields, the sample is not part of the accuracy."""

    prediction_correct: bool | None = None
    f1_score: float | None = None


class ModelResultAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``getClassifyJobResult``, without the samples.

    ``no_results_because_thresholds_changed``: the results of the last test no longer apply.
    """

    accuracy: ModelAccuracy | None = None
    predictions: list[Prediction] = []
    available_variants: list[str] = []
    no_results_because_thresholds_changed: bool = False


class ModelTestsApi:
    """The operations that test the model of a project.

    Every method raises :class:`~airflow_provider_ei.exceptions.EdgeImpulseServiceError` or a specific subclass, as
    those of :class:`~airflow_provider_ei.studio.api.projects.ProjectApi` do.
    """

    def __init__(self, http: HttpClient, project_id: int) -> None:
        self._http = http
        self._path = f"/api/{project_id}"

    def start_test(self, variant: str, impulse_id: int | None = None) -> int:
        """Classify the test set with one variant of the model (``startClassifyJob``), and return the job's id.

        :param impulse_id: None for the project's default impulse.
        """
        return self._http.request_json(
            "startClassifyJob",
            "POST",
            f"{self._path}/jobs/classify",
            StartedAnswer,
            query={"impulseId": impulse_id},
            body={"modelVariants": [variant]},
            idempotent=False,
        ).id

    def get_metrics(self, impulse_id: int | None = None) -> list[VariantMetrics] | None:
        """Get the accuracy of each variant (``getClassifyMetricsAllVariants``).

        The operation is experimental.

        :return: None when the service does not have it.
        """
        path = f"{self._path}/classify/all/metrics"
        query = {"impulseId": impulse_id}
        try:
            return self._http.request_json(
                "getClassifyMetricsAllVariants", "GET", path, MetricsAnswer, query=query
            ).metrics
        except EdgeImpulseNotFoundError:
            return None

    def get_result(self, variant: str, impulse_id: int | None = None) -> ModelResultAnswer:
        """Get the result of one variant (``getClassifyJobResult``).

        The response lists each prediction, so it may have megabytes.

        :raises EdgeImpulseLargeResponseError: when it has more than 32 MiB.
        """
        path = f"{self._path}/classify/all/result"
        query = {"impulseId": impulse_id, "variant": variant, "featureExplorerOnly": "true"}
        return self._http.request_json(
            "getClassifyJobResult", "GET", path, ModelResultAnswer, query=query, max_bytes=LISTING_BYTES
        )
