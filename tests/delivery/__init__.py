"""Deliveries: request, addresses, transport, claim, record, engine."""
