"""Ingest: from a report to a stored call event with its deliveries."""
