"""Modules import downwards only: by layers, without cycles, and the core without Airflow."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import airflow_provider_ei

PACKAGE = Path(airflow_provider_ei.__file__).resolve().parent

# What each layer imports, from the bottom to the top. All may import the version.
IMPORTS: dict[str, set[str]] = {
    "redaction": set(),
    "scalars": set(),
    "results": set(),
    "assets": set(),
    "emulator": set(),
    "exceptions": {"redaction"},
    "numeric": {"exceptions"},
    "studio": {"exceptions", "redaction"},
    "jobs": {"exceptions", "numeric", "redaction", "studio"},
    "sources": {"exceptions", "studio"},
    "destinations": {"exceptions", "sources"},
    "sync": {"exceptions", "results", "numeric", "scalars", "studio", "sources"},
    "samples": {"exceptions", "results", "numeric", "studio", "sources", "sync"},
    "downloads": {"exceptions", "studio", "sources", "destinations", "sync"},
    "hooks": {
        "exceptions",
        "results",
        "numeric",
        "redaction",
        "studio",
        "sources",
        "destinations",
        "sync",
        "samples",
        "downloads",
        "jobs",
        "assets",
    },
    "polling": {"exceptions", "numeric", "studio", "sources", "sync", "hooks", "jobs"},
    "triggers": {"exceptions", "numeric", "studio", "hooks", "jobs", "polling"},
    "operators": {
        "exceptions",
        "results",
        "scalars",
        "sources",
        "sync",
        "samples",
        "hooks",
        "jobs",
        "numeric",
        "studio",
        "triggers",
        "assets",
    },
    "sensors": {"exceptions", "sources", "hooks", "jobs", "numeric", "polling", "operators", "triggers"},
    "decorators": {"exceptions", "sources", "operators"},
    "task_groups": {"hooks", "jobs", "numeric", "operators", "results", "sync"},
    "plugins": {"results", "operators"},
    "get_provider_info": {"hooks"},
    "check": {"exceptions", "studio"},
    "cli": {"exceptions", "studio", "hooks", "check"},
    "__main__": {"cli"},
}
KNOWS_AIRFLOW = {
    *("assets", "hooks", "operators", "task_groups", "decorators", "sensors", "triggers", "plugins", "cli"),
}


def layer_of(module: str) -> str:
    return module.split(".")[1]


@cache
def imports() -> Mapping[str, Set[str]]:
    """Return what each module imports, also within functions and for type checkers: modules of ours, and others."""
    paths = {_module_name(path): path for path in PACKAGE.rglob("*.py")}
    return {module: set(_imported(path, set(paths))) - {module} for module, path in paths.items()}


def _module_name(path: Path) -> str:
    parts = (PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(path: Path, modules: Set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level and node.module, f"{path}: a relative import hides its layer"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in modules else node.module


def ours(imported: Set[str]) -> set[str]:
    return {name for name in imported if name.startswith(f"{PACKAGE.name}.")}


@pytest.mark.parametrize("layer", IMPORTS)
def test_a_layer_imports_exactly_what_is_listed(layer: str) -> None:
    """An arrow that nobody uses any more fails as well, so the list never allows more than the code needs."""
    mine = [imported for module, imported in imports().items() if module != PACKAGE.name and layer_of(module) == layer]
    assert {layer_of(name) for imported in mine for name in ours(imported)} - {layer} == IMPORTS[layer]


def test_every_module_belongs_to_a_layer() -> None:
    assert {layer_of(module) for module in imports() if module != PACKAGE.name} == set(IMPORTS)


def test_layers_import_only_those_listed_before_them() -> None:
    order = list(IMPORTS)
    assert [layer for layer in IMPORTS for below in IMPORTS[layer] if order.index(below) >= order.index(layer)] == []


def test_no_two_modules_import_each_other() -> None:
    """No cycle of any length, not even through imports within functions."""
    graph = {module: ours(imported) for module, imported in imports().items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("module", sorted(imports()))
def test_only_the_upper_layers_know_airflow(module: str) -> None:
    knows = any(name.split(".")[0] == "airflow" for name in imports()[module])
    assert not knows or layer_of(module) in KNOWS_AIRFLOW
