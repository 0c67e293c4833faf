"""Configuration of Sphinx: ``make docs``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from docutils import nodes

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "extensions")]
# Autodoc imports the package and so Airflow, which writes its configuration into its home.
_home = tempfile.TemporaryDirectory(prefix="airflow-docs-home-")
os.environ.update(AIRFLOW_HOME=_home.name, AIRFLOW__CORE__LOAD_EXAMPLES="False")

from airflow_provider_ei import __version__  # noqa: E402

project = "airflow-provider-ei"
author = "The contributors of airflow-provider-ei"
copyright = f"{author}, Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "argument_tables", "bench.tables"]
exclude_patterns = ["_build", "extensions"]

myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

html_theme = "furo"
html_title = f"Apache Airflow provider for Edge Impulse {release}"
html_copy_source = False
html_show_sphinx = False


def drop_return_type(app: Any, domain: str, objtype: str, content: Any) -> None:
    """Drop the return type of ``__init__`` from classes whose docstring says what the task returns."""
    if objtype == "class":
        for field in [field for fields in content if isinstance(fields, nodes.field_list) for field in fields]:
            if field[0].astext() == "rtype":
                field.parent.remove(field)


def drop_empty_signature(app: Any, what: str, name: str, obj: Any, options: Any, signature: Any, returns: Any) -> Any:
    """Leave out a signature that says nothing; Airflow's base classes hide that of an operator. A table has it."""
    return ("", returns) if what == "class" and signature == "(*args, **kwargs)" else None


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-signature", drop_empty_signature)
    app.connect("object-description-transform", drop_return_type, priority=900)
