"""How Sphinx builds the site: ``make docs``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

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

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]

myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

html_theme = "furo"
html_title = f"Apache Airflow provider for Edge Impulse {release}"
html_copy_source = False
html_show_sphinx = False
