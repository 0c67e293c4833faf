"""What Airflow learns about the provider, through Airflow's own reading of it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

from airflow_provider_ei import __version__
from airflow_provider_ei.get_provider_info import ASSET_URIS, PROJECT_ASSET_URIS, get_provider_info
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from tests.support.airflow_runs import is_airflow_2


def test_the_metadata_obeys_the_schema_of_this_airflow() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_airflow_finds_the_provider_through_its_entry_point() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert manager.providers["airflow-provider-ei"].version == __version__
    for kind, name, title in (
        ("edge_impulse", "EdgeImpulseHook", "Edge Impulse"),
        ("edge_impulse_project", "EdgeImpulseProjectHook", "Edge Impulse project"),
    ):
        hook = manager.hooks[kind]
        assert hook is not None
        assert hook.hook_class_name.endswith(f".{name}")
        assert hook.hook_name == title
        assert hook.connection_testable


def test_everything_that_is_named_is_there() -> None:
    info = get_provider_info()
    modules = [
        name for kind in ("hooks", "operators", "sensors", "triggers") for name in info[kind][0]["python-modules"]
    ]
    classes = [decorator["class-name"] for decorator in info["task-decorators"]] + info["extra-links"]
    uris = [value for each in (ASSET_URIS, PROJECT_ASSET_URIS) for value in each.values() if isinstance(value, str)]
    for path in [*classes, *uris]:
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name)
    for module in modules:
        if module.endswith("triggers.events") and is_airflow_2():
            continue  # Airflow 2 has no event triggers
        importlib.import_module(module)


FORMS = [
    pytest.param(hook, declared, id=declared["connection-type"])
    for hook, declared in zip(
        (EdgeImpulseHook, EdgeImpulseProjectHook), get_provider_info()["connection-types"], strict=True
    )
]


@pytest.mark.parametrize(("hook", "declared"), FORMS)
class TestConnectionForm:
    """Airflow 3 draws the form from the metadata, Airflow 2 from the hook; people see the same."""

    def test_the_hook_belongs_to_the_connection_type(self, hook: Any, declared: dict[str, Any]) -> None:
        assert (hook.conn_type, hook.hook_name) == (declared["connection-type"], declared["hook-name"])
        assert declared["hook-class-name"] == f"{hook.__module__}.{hook.__name__}"

    def test_standard_fields(self, hook: Any, declared: dict[str, Any]) -> None:
        behavior = hook.get_ui_field_behaviour()
        assert {key.replace("_", "-"): value for key, value in behavior.items()} == declared["ui-field-behaviour"]

    def test_the_port_is_not_hidden(self, hook: Any, declared: dict[str, Any]) -> None:
        # The test button of Airflow 3 sends one and is refused when the form hides it.
        assert "port" not in declared["ui-field-behaviour"]["hidden-fields"]

    def test_own_fields(self, hook: Any, declared: dict[str, Any]) -> None:
        pytest.importorskip("flask_appbuilder")
        from wtforms import Form, IntegerField, StringField

        widgets = hook.get_connection_form_widgets()
        form = type("F", (Form,), dict(widgets))()
        # Airflow 2 draws no field for fractions
        kinds = {IntegerField: ("integer",), StringField: ("number", "string")}
        assert [field.name for field in form] == list(declared["conn-fields"])
        for field in form:
            shown = declared["conn-fields"][field.name]
            assert (field.label.text, field.description) == (shown["label"], shown["description"])
            assert shown["schema"]["type"][0] in kinds[type(field)]

    def test_airflow_draws_every_field(self, hook: Any, declared: dict[str, Any]) -> None:
        from airflow.providers_manager import ProvidersManager

        prefix = f"extra__{hook.conn_type}__"
        widgets = ProvidersManager().connection_form_widgets
        own = {name.removeprefix(prefix) for name in widgets if name.startswith(prefix)}
        others = {name for name in own if name.startswith("project__")}  # of a type whose name begins like this one
        assert own - others == set(declared["conn-fields"])
