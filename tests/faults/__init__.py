"""Injects faults into the running product, and counts what becomes of accepted events."""
