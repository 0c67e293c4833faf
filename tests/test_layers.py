"""Each layer imports only those below it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "airflow_provider_ei"

# From below to above. What is not named here may be imported by all: the version and the exceptions.
BELOW = {
    "redaction": set(),
    "scalars": set(),
    "exceptions": {"redaction"},
    "numeric": {"exceptions"},
    "results": set(),
    "emulator": set(),
    "studio": {"exceptions", "redaction"},
    "sources": {"exceptions", "studio"},
    "sync": {"exceptions", "results", "numeric", "scalars", "studio", "sources"},
    "hooks": {"exceptions", "results", "numeric", "redaction", "studio", "sources", "sync", "assets"},
    "assets": set(),
    "operators": {"exceptions", "results", "scalars", "studio", "sources", "sync", "hooks", "assets"},
    "task_groups": {"exceptions", "results", "studio", "sync", "hooks", "operators"},
    "decorators": {"exceptions", "operators"},
    "sensors": {"exceptions", "studio", "sources", "sync", "hooks", "triggers"},
    "triggers": {"exceptions", "hooks"},
    "plugins": {"exceptions", "results", "operators"},
    "get_provider_info": {"hooks"},
}
KNOWS_AIRFLOW = {"assets", "hooks", "operators", "task_groups", "decorators", "sensors", "triggers", "plugins"}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imported(path: Path) -> set[str]:
    """Full names of the imported modules, also of those within functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import hides its layer"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_lead_downwards(path: Path) -> None:
    layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    own = {name.split(".")[1] for name in imported(path) if name.startswith("airflow_provider_ei.")}
    assert own - {layer, "__version__"} <= BELOW[layer]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_upper_layers_know_airflow(path: Path) -> None:
    layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    knows = any(name.split(".")[0] == "airflow" for name in imported(path))
    assert layer in KNOWS_AIRFLOW or not knows
