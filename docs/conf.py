"""How Sphinx builds the site: ``make docs``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from docutils import nodes

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
# Airflow, which the docstrings are imported with, writes its configuration where it is told to.
_home = tempfile.TemporaryDirectory(prefix="airflow-docs-home-")
os.environ.update(AIRFLOW_HOME=_home.name, AIRFLOW__CORE__LOAD_EXAMPLES="False")

from airflow_provider_ei import __version__  # noqa: E402

project = "airflow-provider-ei"
author = "its contributors"
copyright = "its contributors, Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "bench.tables"]
exclude_patterns = ["_build"]

myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

html_theme = "furo"
html_title = f"Apache Airflow provider for Edge Impulse {release}"
html_copy_source = False
html_show_sphinx = False


def drop_return_type(app: Any, domain: str, objtype: str, content: Any) -> None:
    """Leave out what ``__init__`` returns, where a class says what its task returns."""
    if objtype == "class":
        for field in [field for fields in content if isinstance(fields, nodes.field_list) for field in fields]:
            if field[0].astext() == "rtype":
                field.parent.remove(field)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("object-description-transform", drop_return_type, priority=900)
