"""The arguments of the check, for both of its commands."""

from __future__ import annotations

from typing import Any

DESCRIPTION = (
    "Ask the service of a connection how it behaves where its documentation does not say so. Without --write, it only "
    "reads. The output has no key, host or name of data in it."
)

ARGUMENTS: dict[str, dict[str, Any]] = {
    "--conn-id": {
        "default": "edge_impulse_default",
        "help": "the Airflow connection, of type edge_impulse or edge_impulse_project (default: edge_impulse_default)",
    },
    "--dataset": {
        "default": None,
        "help": "the dataset to list; all data by default. With --clean: the only dataset to clean",
    },
    "--write": {
        "action": "store_true",
        "help": "also create a dozen tiny data items in a new dataset airflow-check-…, and delete them",
    },
    "--clean": {
        "action": "store_true",
        "help": "only delete what an earlier check with --write has left, because it was killed",
    },
    "--json": {"action": "store_true", "help": "print the result as JSON"},
    "--save": {"action": "store_true", "help": "save what uploads use as `service` in the extra of the connection"},
}
