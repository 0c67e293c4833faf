"""Edge Impulse datasets as assets: their URIs, and what Airflow is told of them."""

from __future__ import annotations

import warnings
from urllib.parse import urlsplit

import pytest
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_ei.assets import (
    category_uri,
    create_asset,
    create_project_asset,
    dataset_uri,
    sanitize_project_uri,
    sanitize_uri,
    stored_categories,
)

SPECIAL = "a b/c?d#e%é:@"


@pytest.mark.parametrize("name", ["motion", "two words", "a/b", SPECIAL, "測定"])
def test_a_name_comes_back_from_its_uri(name: str) -> None:
    uri = dataset_uri(7, name)
    assert sanitize_uri(urlsplit(uri)).geturl() == uri
    assert Asset(uri=uri).uri == uri


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ("edgeimpulse://007/motion", "edgeimpulse://7/motion"),
        ("edgeimpulse://7/two words", "edgeimpulse://7/two%20words"),
        ("edgeimpulse://7/%6dotion", "edgeimpulse://7/motion"),
    ],
)
def test_one_form_for_one_dataset(given: str, becomes: str) -> None:
    assert sanitize_uri(urlsplit(given)).geturl() == becomes


@pytest.mark.parametrize(
    "uri",
    [
        "edgeimpulse://motion",
        "edgeimpulse://7",
        "edgeimpulse://7/",
        "edgeimpulse://7/a/b",
        "edgeimpulse://acme/motion",
        "edgeimpulse://7/motion?x=1",
        "edgeimpulse:///motion",
    ],
)
def test_other_uris_are_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="edgeimpulse://7/motion"):
        sanitize_uri(urlsplit(uri))


def test_airflow_has_the_handler() -> None:
    # Airflow 2 warns, and goes on with what was given.
    with pytest.raises((ValueError, UserWarning), match="is not an Edge Impulse dataset"), warnings.catch_warnings():
        warnings.simplefilter("error")
        Asset(uri="edgeimpulse://acme/motion")


def test_create_asset() -> None:
    asset = create_asset(organization_id=7, dataset="motion", extra={"team": "x"})
    assert (asset.uri, asset.extra) == ("edgeimpulse://7/motion", {"team": "x"})


def test_openlineage_names_it() -> None:
    pytest.importorskip("openlineage.client")
    from airflow_provider_ei.assets import convert_to_openlineage

    named = convert_to_openlineage(create_asset(organization_id=7, dataset=SPECIAL))
    assert (named.namespace, named.name) == ("edgeimpulse://7", SPECIAL)


class TestProjects:
    @pytest.mark.parametrize("category", ["training", "testing", "anomaly"])
    def test_a_category_has_one_uri(self, category: str) -> None:
        uri = category_uri(12, category)
        assert sanitize_project_uri(urlsplit(uri)).geturl() == Asset(uri=uri).uri == uri
        assert create_project_asset(project_id="12", category=category, extra={"a": 1}).uri == uri
        assert sanitize_project_uri(urlsplit(uri.replace("//12", "//0012"))).geturl() == uri

    @pytest.mark.parametrize("uri", ["//12", "//12/split", "//acme/training", "//12/training/x", "//12/training?x=1"])
    def test_other_uris_are_refused(self, uri: str) -> None:
        with pytest.raises(ValueError, match="edgeimpulse-project://12/training"):
            sanitize_project_uri(urlsplit(f"edgeimpulse-project:{uri}"))

    def test_a_split_is_stored_in_two_categories(self) -> None:
        assert stored_categories(["split", "anomaly"]) == ["training", "testing", "anomaly"]
        assert stored_categories(["testing"]) == ["testing"]

    def test_openlineage_names_it(self) -> None:
        pytest.importorskip("openlineage.client")
        from airflow_provider_ei.assets import convert_project_to_openlineage

        named = convert_project_to_openlineage(create_project_asset(project_id=12, category="testing"))
        assert (named.namespace, named.name) == ("edgeimpulse-project://12", "testing")
