"""What a check has saved: read from the connection, and used by the client."""

from __future__ import annotations

import json

import pytest

from airflow_provider_ei.emulator.emulator_settings import CHOICES
from airflow_provider_ei.exceptions import EdgeImpulseConfigError
from airflow_provider_ei.studio.known_service import KnownService


@pytest.mark.parametrize("value", [None, "", {}, "{}"])
def test_nothing_is_known_without_a_check(value: object) -> None:
    assert KnownService.parse(value) == KnownService()
    assert KnownService().facts() == {}


@pytest.mark.parametrize("as_string", [True, False])
def test_facts_are_read_from_an_object_or_a_string_with_one(as_string: bool) -> None:
    facts = {"checked": "2026-11-26", "file_folders": "drop", "listing_totals": False, "listing_delay_seconds": 2.5}
    known = KnownService.parse(json.dumps(facts) if as_string else facts)
    assert known.facts() == facts


def test_facts_of_a_newer_version_are_ignored() -> None:
    assert KnownService.parse({"gravity": "upwards", "filters": "rejected"}).facts() == {"filters": "rejected"}


@pytest.mark.parametrize("value", ["no JSON", "[1]", [1], 7, True, '"x"'])
def test_anything_else_is_an_error_with_a_remedy(value: object) -> None:
    with pytest.raises(EdgeImpulseConfigError, match=r"^Save the result of .* 'service' is not a JSON object"):
        KnownService.parse(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("filters", "maybe"), ("listing_totals", 1), ("wrong_key_status", True), ("listing_delay_seconds", -1)],
)
def test_an_impossible_value_names_its_fact(name: str, value: object) -> None:
    with pytest.raises(EdgeImpulseConfigError, match=f"impossible value for '{name}'"):
        KnownService.parse({name: value})


@pytest.mark.parametrize(("delay", "settle"), [(None, None), (0.0, None), (2.5, None), (2.6, 5.2), (30.0, 60.0)])
def test_the_settle_time_follows_a_slow_listing(delay: float | None, settle: float | None) -> None:
    assert KnownService(listing_delay_seconds=delay).settle_seconds == settle


def test_the_facts_are_settings_of_the_emulator_with_the_same_values() -> None:
    from dataclasses import fields

    for fact in fields(KnownService):
        if fact.name in CHOICES:
            assert fact.metadata["values"] == CHOICES[fact.name]
        else:
            assert fact.name in ("checked", "listing_totals", "listing_delay_seconds")
