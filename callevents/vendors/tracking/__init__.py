"""Tracking of calls: derives call events from the message stream of a PBX."""
