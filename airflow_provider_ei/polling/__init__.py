"""Conditions that sensors and triggers wait for, and the pollers that check them."""
