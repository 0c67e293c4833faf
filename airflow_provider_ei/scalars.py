"""Scalars of numpy and pandas as Python's own. Imports nothing, since DAG files need it while they are parsed."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any


def python_scalar(value: Any) -> Any:
    """Return a scalar of numpy or pandas as one of Python; anything else stays as it is.

    A point in time becomes its ISO form, since numpy would give its nanoseconds as a plain number; "not a time" becomes
    NaN.
    """
    if getattr(value, "ndim", None) != 0 or not hasattr(value, "item"):
        return value
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind == "M":
        return math.nan if str(value) == "NaT" else str(value)
    # A span of time is none of what metadata may be, but numpy takes it for a whole number.
    return timedelta.max if kind == "m" else value.item()
