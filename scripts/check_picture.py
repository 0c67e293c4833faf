"""Draws docs/images/check.svg: what `python -m airflow_provider_ei check --write` prints.

usage: python scripts/check_picture.py [FILE]

The check is a real one, of an emulator with some switches set. Its clock goes a tenth of a second per look, so that the
picture does not depend on this machine. The fonts are those of the reader: nothing is loaded from other hosts.
"""

from __future__ import annotations

import io
import re
import sys
from itertools import count
from pathlib import Path

from rich.console import Console

from airflow_provider_ei.check.report import print_report
from airflow_provider_ei.check.run import OrganizationCheck
from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
from airflow_provider_ei.studio.settings import StudioSettings

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "check.svg"
SWITCHES = {"file_folders": "drop", "file_names": "latin1", "listing_order": "newest", "name_form": "trim"}
COLUMNS = 116

_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)


def draw() -> str:
    """Run the check and return the picture."""
    from rich._export_format import CONSOLE_SVG_FORMAT

    ticks = count()
    with EmulatorServer(EmulatorSettings(**SWITCHES)) as studio:
        settings = StudioSettings(api_key=studio.api_key, base_url=studio.url, settle_seconds=0)
        report = OrganizationCheck(settings, clock=lambda: next(ticks) / 10).run(write=True)
    console = Console(file=io.StringIO(), record=True, width=COLUMNS, force_terminal=True)
    print_report(report, console)
    return console.export_svg(
        title="python -m airflow_provider_ei check --write",
        code_format=_FONTS.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code, monospace", "monospace"),
        unique_id="check",
    )


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE).write_text(draw())
