"""Journeys through the running product, from a PBX's report to the receiver."""
