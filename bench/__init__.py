"""The benchmark: the package beside what people would use instead. ``python -m bench`` runs it."""
