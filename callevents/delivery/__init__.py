"""Deliveries on their way: claim, build the request, send it, record what came of it."""
