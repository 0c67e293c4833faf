"""The deployment targets of each project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_ei.emulator.stored_data import StoreError

ENGINES = (
    "tflite",
    "tflite-eon",
    "tflite-eon-ram-optimized",
    "tensorrt",
    "tensaiflow",
    "drp-ai",
    "tidl",
    "akida",
    "syntiant",
    "memryx",
    "neox",
    "ethos-linux",
    "st-aton",
)
MODEL_TYPES = ("int8", "float32", "akida", "requiresRetrain")
_EON = ("tflite-eon", "tflite-eon-ram-optimized", "tflite")


@dataclass(frozen=True, slots=True)
class DeploymentTarget:
    """A target; ``disabled`` is the reason if the project cannot be built for it."""

    format: str
    name: str
    section: str
    engines: tuple[str, ...] = _EON
    disabled: str | None = None

    def info(self) -> dict[str, Any]:
        """Return a ``ProjectDeploymentTarget``."""
        flags = ("TensorRT", "TensaiFlow", "DRPAI", "TIDL", "Akida", "Memryx", "StAton")
        info: dict[str, Any] = {
            "name": self.name,
            "description": f"{self.name} of the emulator",
            "image": "",
            "imageClasses": "",
            "format": self.format,
            "hasEonCompiler": "tflite-eon" in self.engines,
            **{f"has{flag}": False for flag in flags},
            "hideOptimizations": False,
            "uiSection": self.section,
            "supportedEngines": list(self.engines),
            "preferredEngine": self.engines[0],
            "docsUrl": "https://docs.edgeimpulse.com/",
            "recommendedForProject": self.format == "zip",
            "disabledForProject": self.disabled is not None,
        }
        if self.disabled is not None:
            info["reasonTargetDisabled"] = self.disabled
        return info


TARGETS = (
    DeploymentTarget("zip", "C++ library", "library"),
    DeploymentTarget("arduino", "Arduino library", "library"),
    DeploymentTarget("wasm", "WebAssembly", "library"),
    DeploymentTarget("runner-linux-aarch64", "Linux (AARCH64)", "firmware", ("tflite",)),
    DeploymentTarget(
        "syntiant-ndp120-lib", "Syntiant NDP120", "firmware", ("syntiant",), "The project has no Syntiant block"
    ),
)


def find_target(format: str) -> DeploymentTarget:
    """Return a target that the project can be built for.

    :raises StoreError: if it does not exist, or is disabled.
    """
    for target in TARGETS:
        if target.format == format:
            if target.disabled is not None:
                raise StoreError(f"Deployment target {format!r} is disabled for this project: {target.disabled}")
            return target
    raise StoreError(f"Deployment target {format!r} not found")
