"""The published package: its dependencies are declared, and the tests import the intended copy of it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

import airflow_provider_ei
from tests.support.airflow_runs import is_airflow_2

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(airflow_provider_ei.__file__).resolve().parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: Imported in places that only that Airflow reaches: 3 serves its interface with FastAPI and its standard provider asks
#: people for approval, 2 draws forms with Flask.
AIRFLOW_3_HAS = {"apache-airflow-providers-standard", "fastapi"}
AIRFLOW_2_HAS = {"flask-appbuilder", "wtforms"}


def distribution_name(requirement: str) -> str:
    """The normalized name that a requirement begins with."""
    (name,) = re.findall(r"^[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", str(name)).lower()


DECLARED = {distribution_name(each) for each in PROJECT["dependencies"]}
EXTRAS = {
    extra: {distribution_name(each) for each in requirements}
    for extra, requirements in PROJECT["optional-dependencies"].items()
}


def imports(tree: ast.AST) -> set[str]:
    """Full names of the modules that a syntax tree imports, at any depth."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@cache
def installed() -> Mapping[str, list[str]]:
    """The distributions that have a top-level module of a name; read once, since that takes a second."""
    return packages_distributions()


def distributions(modules: set[str]) -> set[str]:
    """The distributions that the modules come from, without the standard library and this package."""
    found = set()
    for module in modules:
        parts = module.split(".")
        if parts[0] in sys.stdlib_module_names or parts[0] == "airflow_provider_ei":
            continue
        if parts[:2] == ["airflow", "providers"]:
            found.add("apache-airflow-providers-" + "-".join(parts[2:4] if parts[2] == "common" else parts[2:3]))
        elif parts[0] == "airflow":
            found.add("apache-airflow")
        else:
            names = installed().get(parts[0])
            # Of another Airflow: the import's name is the distribution's.
            found.add(distribution_name(names[0]) if names else parts[0].replace("_", "-"))
    return found


def modules(*, emulator: bool) -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if ((PACKAGE / "emulator") in path.parents) is emulator]


def imported_by(paths: list[Path]) -> set[str]:
    return distributions(set().union(*(imports(ast.parse(path.read_text())) for path in paths)))


def test_every_imported_distribution_is_declared_and_every_declared_one_is_imported() -> None:
    of_airflow = AIRFLOW_3_HAS | AIRFLOW_2_HAS
    assert imported_by(modules(emulator=False)) - of_airflow == DECLARED | EXTRAS["openlineage"]


def test_the_emulator_needs_nothing_but_its_extra() -> None:
    assert imported_by(modules(emulator=True)) == EXTRAS["emulator"]


def test_airflow_itself_requires_what_is_not_declared() -> None:
    expected = AIRFLOW_2_HAS - {"wtforms"} if is_airflow_2() else AIRFLOW_3_HAS
    owner = "apache-airflow-providers-fab" if is_airflow_2() else "apache-airflow-core"
    assert {distribution_name(each) for each in requires(owner) or []} >= expected


def test_what_is_optional_is_not_imported_with_its_module() -> None:
    """Without web frameworks and OpenLineage all modules can be imported, except those of the page in Airflow 3."""
    optional = AIRFLOW_3_HAS | AIRFLOW_2_HAS | EXTRAS["openlineage"]
    needs = {}
    for path in modules(emulator=False):
        tree = ast.parse(path.read_text())
        at_import = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        if found := distributions(imports(at_import)) & optional:
            needs[path.relative_to(PACKAGE).as_posix()] = found
    assert all(name.startswith("plugins/") and found == {"fastapi"} for name, found in needs.items()), needs
    assert "plugins/plugin.py" not in needs, "Airflow imports it, whichever version it has"


def test_development_needs_are_not_published() -> None:
    assert set(EXTRAS) == {"emulator", "openlineage"}


@pytest.mark.parametrize("folder", ["tests", "elsewhere"])
def test_the_package_under_test_is_the_checkout_or_else_the_installed_wheel(folder: str, tmp_path: Path) -> None:
    """Where the sources are out of reach, processes that the tests start do not find them either."""
    command = [sys.executable, "-c", "import airflow_provider_ei; print(airflow_provider_ei.__file__)"]
    cwd = ROOT if folder == "tests" else tmp_path
    found = Path(subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout.strip())
    sources = ROOT / "airflow_provider_ei"
    expected = sources if sources.exists() else Path(sysconfig.get_path("purelib"), "airflow_provider_ei").resolve()
    assert found.resolve().parent == expected == PACKAGE
