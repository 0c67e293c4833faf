"""Whatever the service is like, a check with ``--write`` finds it out: each of the emulator's switches, in all pairs
with each other, and in every combination of those that could hide one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import combinations, cycle, product
from typing import Any

import pytest

from airflow_provider_ei.check import connection_questions, item_questions, listing_questions, name_questions
from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
from airflow_provider_ei.emulator.emulator_settings import CHOICES
from airflow_provider_ei.emulator.name_rules import stored_file_name
from airflow_provider_ei.studio.known_service import KnownService

from .conftest import Check, values

#: The switches that a check asks for. For the others, it would have to start jobs or add samples in a project.
SWITCHES: Mapping[str, Sequence[Any]] = {
    **{fact.name: CHOICES[fact.name] for fact in fields(KnownService) if fact.name in CHOICES},
    "organization_key_in_projects": CHOICES["organization_key_in_projects"],
    "listing_totals": (True, False),
}
#: Switches that act on the same thing.
NAMES = ("file_names", "file_folders", "file_quotes", "trailing_backslash", "name_form")
LISTINGS = ("listing_order", "listing_offset", "listing_totals", "filters", "file_listing")

Switches = Mapping[str, Any]


def pairs(switches: Switches) -> set[tuple[tuple[str, Any], tuple[str, Any]]]:
    return set(combinations(sorted(switches.items()), 2))


def all_pairs() -> Iterator[Switches]:
    """Settings in which each value of a switch meets each value of every other one."""
    missing = {
        ((one, way), (other, other_way))
        for one, other in combinations(sorted(SWITCHES), 2)
        for way, other_way in product(SWITCHES[one], SWITCHES[other])
    }
    while missing:
        chosen: dict[str, Any] = dict(min(missing, key=repr))
        for name in sorted(SWITCHES.keys() - chosen.keys()):
            ways = SWITCHES[name]
            chosen[name] = max(ways, key=lambda way, name=name: len(pairs(chosen | {name: way}) & missing))
        missing -= pairs(chosen)
        yield chosen


def products(names: Sequence[str]) -> Iterator[Switches]:
    """Every combination of some switches; the others take turns."""
    others = cycle(all_pairs())
    for ways in product(*(SWITCHES[name] for name in names)):
        yield {**next(others), **dict(zip(names, ways, strict=True))}


def expected(switches: Switches) -> dict[str, Any]:
    """What a check can see of these switches: a backslash at the end is also a folder's."""
    settings = EmulatorSettings(**switches)
    is_kept = stored_file_name(b"backslash\\", settings) == "backslash\\"
    return {
        **switches,
        "trailing_backslash": "keep" if is_kept else "drop_file",
        "file_name_form": switches["name_form"],
        "no_metadata": True,
        "max_metadata_bytes": 65536,
        "empty_file": "stored",
        "same_file": "replace",
        "writes": True,
        "listing_delay_seconds": 0.0,
        "missing_item_status": 200,
        "empty_dataset": "stays",
    }


def assert_finds(check: Check, studio: EmulatorServer, switches: Switches) -> None:
    studio.settings.change(switches)
    report = check(write=True)
    found = values(report)
    wanted = expected(switches)
    assert {name: found[name] for name in wanted} == wanted, report.answers
    assert report.left == []
    assert studio.items() == []
    saved = report.known_service().facts()
    assert {name: value for name, value in saved.items() if name in switches} == {
        name: found[name] for name in saved if name in switches
    }


def test_every_switch_is_asked_for_by_a_question_of_its_name() -> None:
    questions = {
        question.id
        for module in (connection_questions, listing_questions, name_questions, item_questions)
        for question in module.QUESTIONS
    }
    assert len(SWITCHES) >= 15
    assert SWITCHES.keys() <= questions


@pytest.mark.parametrize("switches", list(all_pairs()), ids=lambda switches: "-".join(map(str, switches.values())))
def test_all_pairs_of_switches(check: Check, check_studio: EmulatorServer, switches: Switches) -> None:
    assert_finds(check, check_studio, switches)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("names", [NAMES, LISTINGS], ids=["names", "listings"])
def test_every_combination_of_switches_for_the_same_thing(
    check: Check, check_studio: EmulatorServer, names: Sequence[str]
) -> None:
    for switches in products(names):
        check_studio.reset()
        assert_finds(check, check_studio, switches)


def test_the_time_until_an_item_is_listed_is_measured(check: Check, check_studio: EmulatorServer) -> None:
    check_studio.settings.listing_delay_seconds = 0.5
    report = check(write=True)
    assert 0.3 <= values(report)["listing_delay_seconds"] <= 30
    assert values(report)["listing_order"] == "oldest"
    assert report.left == [] and check_studio.items() == []
