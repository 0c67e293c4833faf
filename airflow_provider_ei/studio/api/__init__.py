"""The operations of the API: one class for each part of it. Each method returns a validated, typed response."""
