"""Deliveries: request, addresses, HTTP client, claim, record, engine."""
