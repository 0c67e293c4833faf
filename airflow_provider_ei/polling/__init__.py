"""Conditions that sensors and triggers wait for: what has to be seen, and looking for it."""
