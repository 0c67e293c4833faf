"""One data item: what it should be, what to do for it, and doing it."""
