"""Deliveries: claim them, build the request, send it, record the outcome.

Statements of the hot path are module constants: building one takes longer than running it.
"""
