"""What Airflow learns about the provider, through Airflow's own reading of it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import airflow
import jsonschema
import pytest

from airflow_provider_ei import __version__
from airflow_provider_ei.get_provider_info import ASSET_URIS, get_provider_info
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook


def test_the_metadata_obeys_the_schema_of_this_airflow() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_airflow_finds_the_provider_through_its_entry_point() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert manager.providers["airflow-provider-ei"].version == __version__
    hook = manager.hooks["edge_impulse"]
    assert hook is not None
    assert hook.hook_class_name.endswith("EdgeImpulseHook")
    assert hook.hook_name == "Edge Impulse"
    assert hook.connection_testable


def test_everything_that_is_named_is_there() -> None:
    info = get_provider_info()
    modules = [
        name for kind in ("hooks", "operators", "sensors", "triggers") for name in info[kind][0]["python-modules"]
    ]
    classes = [decorator["class-name"] for decorator in info["task-decorators"]] + info["extra-links"]
    for path in [*classes, *(value for value in ASSET_URIS.values() if isinstance(value, str))]:
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name)
    for module in modules:
        importlib.import_module(module)


class TestConnectionForm:
    """Airflow 3 draws the form from the metadata, Airflow 2 from the hook; people see the same."""

    declared = get_provider_info()["connection-types"][0]

    def test_standard_fields(self) -> None:
        behavior = EdgeImpulseHook.get_ui_field_behaviour()
        assert {key.replace("_", "-"): value for key, value in behavior.items()} == self.declared["ui-field-behaviour"]

    def test_the_port_is_not_hidden(self) -> None:
        # The test button of Airflow 3 sends one and is refused when the form hides it.
        assert "port" not in self.declared["ui-field-behaviour"]["hidden-fields"]

    def test_own_fields(self) -> None:
        pytest.importorskip("flask_appbuilder")
        from wtforms import Form, IntegerField, StringField

        widgets = EdgeImpulseHook.get_connection_form_widgets()
        form = type("F", (Form,), dict(widgets))()
        kinds = {IntegerField: "integer", StringField: "number"}  # Airflow 2 draws no field for fractions
        drawn = {
            field.name: {
                "label": field.label.text,
                "description": field.description,
                "schema": {"type": [kinds[type(field)], "null"]},
            }
            for field in form
        }
        assert drawn == self.declared["conn-fields"]

    def test_airflow_draws_every_field(self) -> None:
        from airflow.providers_manager import ProvidersManager

        widgets = ProvidersManager().connection_form_widgets
        names = {name.rpartition("__")[2] for name in widgets if "edge_impulse" in name}
        assert names == set(self.declared["conn-fields"])
