"""Make the README's links work on the package index, which has no other file of the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_FENCE = re.compile(r"(^```.*?^```)", re.M | re.S)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?://|#|mailto:)([^)\s]+)\)")


def readme_for_the_index(text: str, repository: str | None) -> str:
    """Return the README with absolute links; without a repository, with their words alone and without pictures.

    :param repository: address of the repository's files at the released version, for instance
        ``https://host/owner/name/blob/v1.2.3``.
    """

    def replace(link: re.Match[str]) -> str:
        picture, words, target = link.groups()
        if repository is None:
            return "" if picture else words
        address = f"{repository}/{target}"
        return f"{picture}[{words}]({address}{'?raw=true' if picture else ''})"

    parts = _FENCE.split(text)
    return "".join(part if part.startswith("```") else _LINK.sub(replace, part) for part in parts)


class ReadmeHook(MetadataHookInterface):
    """Called by hatchling; takes the repository's address from ``Source`` in ``[project.urls]``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the field ``readme``."""
        root = Path(self.root)
        (version,) = re.findall(
            r'^__version__ = "(.+)"$', (root / "airflow_provider_ei" / "__init__.py").read_text(), re.M
        )
        source = metadata.get("urls", {}).get("Source")
        repository = f"{source.rstrip('/')}/blob/v{version}" if source else None
        text = readme_for_the_index((root / "README.md").read_text(), repository)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
