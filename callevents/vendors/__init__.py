"""Vendors of PBXs and phones: how each reports call events."""
